"""`hcp-dr restore --source-lost`: which backup, what it says before it asks, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.engine import journal
from hcp_dr.engine.journal import FILE_NAME, Journal
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Check, Decision, Do, Done, Refuse
from hcp_dr.errors import ClusterUnreachable, NotRestorable, Refused
from hcp_dr.folder import BackupFolder
from hcp_dr.hypershift import source_loss
from hcp_dr.hypershift.state import ETCD_RESTORE, SOURCE_LOST, RestoreProbe, SourceLost
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.objects.archive import MANIFEST, Manifest, Snapshot, page
from hcp_dr.procedure import APART, BACKUP_ONLINE, RESTORE_LOST
from tests.cases.building import an_object
from tests.ports import CASE, MemoryKubernetes, World
from tests.unit.cli.conftest import Hcp
from tests.unit.cli.test_verbs import toy

pytestmark = pytest.mark.usefixtures("connected")
WORDS = ("restore", "--source-lost", "--reason", "the flood")
SPEC = {"controllerAvailabilityPolicy": "SingleReplica", "release": {"image": "quay.example/release:4.20.1"}}
HOSTED = an_object({"HostedCluster clusters/one": {"spec": SPEC}})
LOOKED = RestoreProbe("quay.example/release:4.20.1", 1, (), ("etcdctl",), ("etcdctl",), ("etcdctl",))
Make = Callable[..., Path]


def dead(cluster: MemoryKubernetes) -> None:
    def refuse(_verb: str) -> None:
        raise ClusterUnreachable(cluster=cluster.name, verb="get", object="Namespace", reason="timed out")

    cluster.before = refuse


@pytest.fixture(autouse=True)
def quick(environment: dict[str, str], world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A source that is dead, without a wait for it, and a restore of two steps."""
    assert environment
    dead(world.source)
    dead(world.hosted)
    monkeypatch.setattr("hcp_dr.engine.liveness.FIRST_ANSWER_TIMEOUT", 0.0)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("BACKUP_DIR")
    monkeypatch.setitem(APART, RESTORE_LOST, (toy("restore.one"), toy(POINT_OF_NO_RETURN, acting)))


def acting(memory: Any) -> Decision:
    return Done("it serves") if memory.values.get("seen") else Do((Remember("seen", "yes"),))


@pytest.fixture
def make(world: World, tmp_path: Path) -> Make:
    """An online backup below the user's state folder, of a moment, in the bucket too unless it is not."""

    def one(
        name: str,
        at: float,
        *,
        stored: bool = True,
        command: str = BACKUP_ONLINE,
        looked: RestoreProbe | None = LOOKED,
        infra_id: str = CASE.infra_id,
    ) -> Path:
        folder = BackupFolder(tmp_path / "state" / "hcp-dr" / "clusters" / "one" / name)
        folder.make()
        case = replace(CASE, backup_id=name, infra_id=infra_id)
        written = page(HOSTED)
        folder.write(written.entry.file, written.text)
        snapshot = Snapshot(case.bucket, case.snapshot_key, 8, "5ad1", "9f", 42, 7, "online-x", fenced=False, at=at)
        folder.write(MANIFEST, Manifest(case.to_json(), at, None, (written.entry,), snapshot).to_text())
        with closing(Journal(folder.path, now=lambda: at)) as lines:
            lines.write("begin", command=command, case=case.to_json(), by="x")
            lines.write("remember", key="nonce", value="n")
            lines.write("remember", key="identity", value={})
            if looked is not None:
                lines.write("remember", key=ETCD_RESTORE.name, value=ETCD_RESTORE.to_json(looked))
            lines.write("end")
        if stored:
            world.bucket.put(case.snapshot_key, b"snapshot", metadata={"sha256": "5ad1"})
        return folder.path

    return one


def test_the_newest_that_the_bucket_proves_is_taken(hcp: Hcp, make: Make) -> None:
    make("1-old", 1770000000.0)
    good = make("2-good", 1770000600.0)
    bad = make("3-new", 1770001200.0, stored=False)
    ended = hcp(*WORDS, "--yes", "-o", "json")
    assert ended.code == 1, ended.err
    result = json.loads(ended.out)
    assert (result["command"], result["backup_dir"]) == ("restore --source-lost", str(good))
    assert f"Skipped {bad}" in ended.err
    assert "data_loss: the snapshot is of 2026-02-02T02:50:00Z: writes of the last " in ended.err
    assert any(text.startswith("source_fence: mgmt-1 did not answer") for text in result["warnings"])
    assert any(text.endswith(f"then `hcp-dr teardown --backup {good}`") for text in result["to_do"])
    assert any(text.startswith("etcd_revision: ") and "kubelet on each node" in text for text in result["to_do"])
    story = journal.read(good)
    assert story is not None
    told = story.memory.get(SOURCE_LOST)
    assert told is not None
    assert (told.reason, told.at) == ("the flood", 1770000600.0)
    assert "arn:" in told.who
    report = json.loads((good / "report.json").read_text())
    assert any('set spec.pausedUntil to "true" in HostedCluster clusters/one' in text for text in report["to_do"])


@pytest.mark.parametrize("looked", [None, replace(LOOKED, members=3)], ids=["nobody looked", "three members"])
def test_what_cannot_be_restored_is_refused_before_anything_is_done(
    hcp: Hcp, make: Make, world: World, looked: RestoreProbe | None
) -> None:
    folder = make("1-only", 1770000000.0, looked=looked)
    before, bucket = (folder / FILE_NAME).read_bytes(), dict(world.bucket.objects)
    ended = hcp(*WORDS, "--yes")
    assert ended.code == NotRestorable.exit_code
    last = ended.err.splitlines()[-1]
    assert "etcd of hosted cluster clusters/one cannot be restored by a URL" in last
    assert "docs/by-hand.md" in last
    assert (folder / FILE_NAME).read_bytes() == before
    assert world.bucket.objects == bucket
    assert world.destination.asked == []


def test_one_that_cannot_be_restored_is_passed_over_for_an_older_one_that_can(hcp: Hcp, make: Make) -> None:
    """Such as one that was taken while an upgrade went on."""
    good = make("1-good", 1770000000.0)
    bad = make("2-new", 1770000600.0, looked=replace(LOOKED, called=None, tools=None, restoring=()))
    ended = hcp(*WORDS, "--yes", "-o", "json")
    assert ended.code == 1, ended.err
    assert json.loads(ended.out)["backup_dir"] == str(good)
    assert f"Skipped {bad}: etcd of hosted cluster clusters/one cannot be restored" in ended.err
    assert "data_loss: the snapshot is of 2026-02-02T02:40:00Z" in ended.err


def test_of_two_namesakes_none_is_chosen(hcp: Hcp, make: Make, world: World) -> None:
    """A schedule whose kubeconfigs led elsewhere for a while: the newest may be of another hosted cluster."""
    good = make("1-mine", 1770000000.0)
    other = make("2-namesake", 1770000600.0, infra_id="one-zz9zz")
    before = list(world.written)
    ended = hcp(*WORDS, "--yes")
    assert ended.code == 3
    assert f"infraID one-zz9zz in {other} and infraID {CASE.infra_id} in {good}" in ended.paragraph
    assert "--backup" in ended.paragraph
    assert world.written == before
    assert hcp(*WORDS, "--yes", "--backup", str(good)).code == 1


def test_it_is_confirmed_by_name_after_the_loss_is_told(hcp: Hcp, make: Make) -> None:
    folder = make("1", 1770000000.0)
    ended = hcp(*WORDS)
    assert ended.code == 76
    assert "are lost" in ended.err
    story = journal.read(folder)
    assert story is not None
    assert story.command == BACKUP_ONLINE


def test_a_reason_is_needed(hcp: Hcp) -> None:
    assert hcp("restore", "--source-lost", "--yes").code == 3
    assert hcp("restore", "--source-lost", "--yes", "--reason", " ").code == 3
    assert hcp("restore", "--reason", "why").code == 3


def test_a_source_that_answers_is_refused(hcp: Hcp, make: Make, world: World) -> None:
    make("1", 1770000000.0)
    world.source.before = lambda _verb: None
    ended = hcp(*WORDS, "--yes")
    assert ended.code == 78
    assert "hcp-dr relocate" in ended.paragraph


def test_without_a_backup_there_is_none(hcp: Hcp, make: Make, tmp_path: Path) -> None:
    assert hcp(*WORDS, "--yes").code == 51
    make("1", 1770000000.0, stored=False)
    ended = hcp(*WORDS, "--yes")
    assert ended.code == 51
    assert "snapshot.db in bucket backups is missing" in ended.err
    assert hcp(*WORDS, "--yes", "--backup", str(tmp_path / "nowhere")).code == 51


def test_a_changed_file_is_no_backup(hcp: Hcp, make: Make) -> None:
    folder = make("1", 1770000000.0)
    (folder / "namespaces/clusters/hc-one.yaml").write_text("changed")
    assert hcp(*WORDS, "--yes").code == 51


def test_it_is_resumed_while_the_source_is_silent(
    hcp: Hcp, make: Make, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make("1", 1770000000.0)
    whole = APART[RESTORE_LOST]
    stuck = toy("restore.one", lambda _: Refuse(Refused(what="Not yet.")))
    monkeypatch.setitem(APART, RESTORE_LOST, (stuck, whole[1]))
    assert hcp(*WORDS, "--yes").code == 70
    assert hcp(*WORDS, "--yes").code == 56
    monkeypatch.setitem(APART, RESTORE_LOST, whole)
    world.source.before = lambda _verb: None
    assert hcp("resume", "--backup", str(folder)).code == 78
    dead(world.source)
    ended = hcp("resume", "--backup", str(folder))
    assert ended.code == 1, ended.err
    assert "warning: data_loss" in ended.out
    assert "to do: source_fence: keep the nodes of mgmt-1 off" in ended.out
    again = hcp("restore", "--backup", str(folder))
    assert again.code == 55
    assert "restored while the source was lost" in again.paragraph


def test_it_is_resumed_in_the_backups_own_folder_whatever_backup_dir_says(
    hcp: Hcp, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "of-a-relocation"
    monkeypatch.setenv("BACKUP_DIR", str(elsewhere))
    folder = make("1", 1770000000.0)
    whole = APART[RESTORE_LOST]
    stuck = toy("restore.one", lambda _: Refuse(Refused(what="Not yet.")))
    monkeypatch.setitem(APART, RESTORE_LOST, (stuck, whole[1]))
    assert hcp(*WORDS, "--yes").code == 70
    monkeypatch.setitem(APART, RESTORE_LOST, whole)
    ended = hcp("resume", "-o", "json")
    assert ended.code == 1, ended.err
    assert json.loads(ended.out)["backup_dir"] == str(folder)
    assert not elsewhere.exists()


def test_what_is_told_is_what_is_warned_of() -> None:
    lost = SourceLost(reason="x", who="y", at=0.0, began=60.0)
    checks: tuple[Check, ...] = source_loss.checks(CASE, lost, "/backups/one")
    assert [check.verdict for check in checks] == ["warning", "warning", "warning"]
