"""`status` and `resume` on a machine that has nothing but the settings, and what they say of a half dead world."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.commands import abort, resume
from hcp_dr.engine import journal
from hcp_dr.engine.lease_status import stamp
from hcp_dr.engine.step import Done, Refuse
from hcp_dr.errors import AwsUnreachable, ClusterUnreachable, Refused
from hcp_dr.procedure import PHASES
from tests.ports import CASE, MemoryKubernetes, World
from tests.unit.cli.conftest import Hcp
from tests.unit.cli.test_verbs import remembering, toy

pytestmark = pytest.mark.usefixtures("connected")
LEASE = ("Lease", "default", "hcp-dr-clusters-one")
WHOLE = (toy("backup.one"), toy("backup.two", remembering), toy("backup.three"))


@pytest.fixture
def stopped(hcp: Hcp, connected: World, monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """A backup that stopped at its third step on another machine; the backup id."""
    assert connected
    broken = toy("backup.three", lambda _: Refuse(Refused(what="The world is not as it should be.")))
    monkeypatch.setitem(PHASES, "backup", (*WHOLE[:2], broken))
    assert hcp("backup", "--yes").code == 70
    story = journal.read(folder)
    assert story is not None
    assert story.case is not None
    monkeypatch.setitem(PHASES, "backup", WHOLE)
    return str(story.case["backup_id"])


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """From here on, another machine: its own folder, which is not there yet."""
    monkeypatch.setenv("BACKUP_DIR", str(tmp_path / "other" / "backup"))
    return tmp_path / "other" / "backup"


def dead(cluster: MemoryKubernetes) -> None:
    def refuse(_verb: str) -> None:
        raise ClusterUnreachable(cluster=cluster.name, verb="get", object="Lease", reason="timed out")

    cluster.before = refuse


def hold(world: World, *, renewed_s_ago: float) -> None:
    for cluster in (world.source, world.destination):
        spec = {"holderIdentity": "ada@far pid 1 run x backup b", "acquireTime": stamp(time.time() - 300)}
        cluster.objects[LEASE]["spec"] |= {**spec, "renewTime": stamp(time.time() - renewed_s_ago)}


def status(hcp: Hcp) -> dict[str, Any]:
    ended = hcp("status", "-o", "json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)  # type: ignore[no-any-return]


def test_status_elsewhere_tells_where_it_is_and_what_to_do(hcp: Hcp, stopped: str, moved: Path) -> None:
    told = status(hcp)
    assert (told["command"], told["state"], told["step"], told["next"]) == (
        "backup",
        "unfinished",
        "backup.three",
        None,
    )
    assert (told["hosted_cluster"], told["from"], told["to"]) == ("clusters/one", "mgmt-1", "mgmt-2")
    assert told["done"] == ["backup.one", "backup.two"]
    assert told["last_error"].startswith("The world is not as it should be.")
    assert (told["journal"], told["backup_dir"], told["backup_id"]) == ("bucket", None, stopped)
    assert told["past_point_of_no_return"] is False
    assert told["lease"]["source"] == {"state": "free", "holder": None, "since": None, "renewed_s_ago": None}
    assert told["mirror"]["lines_behind"] == 0
    assert (told["not_asked"], told["todo"]) == ({}, "hcp-dr resume")
    assert not moved.exists()


@pytest.mark.usefixtures("stopped", "moved")
def test_status_for_people(hcp: Hcp) -> None:
    lines = hcp("status").out.splitlines()
    assert lines[0] == "backup of clusters/one from mgmt-1 to mgmt-2: not finished"
    assert lines[1].startswith("  step             backup.three, since 20")
    assert lines[2] == "  next             nothing more (2 steps done, 1 left)"
    assert lines[3] == "  point of no return not passed"
    assert lines[4].startswith("  last error       The world is not as it should be.")
    assert lines[5:7] == ["  lease, source    free", "  lease, destination free"]
    assert lines[-1] == "  do now           hcp-dr resume"


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize(("ago", "state"), [(5, "held"), (500, "expired")])
def test_status_says_who_is_at_work_and_whether_he_lives(hcp: Hcp, world: World, ago: int, state: str) -> None:
    hold(world, renewed_s_ago=ago)
    told = status(hcp)
    lease = told["lease"]["destination"]
    assert (lease["state"], lease["holder"]) == (state, "ada@far pid 1 run x backup b")
    assert lease["renewed_s_ago"] == pytest.approx(ago, abs=5)
    assert told["todo"].startswith("wait: ada@far" if state == "held" else "hcp-dr resume --backup ")
    text = hcp("status").out
    assert ("expired, unless the holder's clock is wrong" in text) is (state == "expired")


@pytest.mark.usefixtures("stopped")
def test_status_says_what_it_could_not_ask(hcp: Hcp, world: World) -> None:
    def no_bucket(_verb: str) -> None:
        raise AwsUnreachable(service="S3", operation="ListObjectsV2", object="backups", reason="timed out")

    dead(world.source)
    world.bucket.before = no_bucket
    told = status(hcp)
    assert set(told["not_asked"]) == {"source", "bucket"}
    assert (told["journal"], told["mirror"], told["lease"]["source"]) == ("local", None, None)
    assert told["lease"]["destination"]["state"] == "free"
    assert "not read         source: The API server of the source cluster did not answer" in hcp("status").out


@pytest.mark.usefixtures("moved")
def test_status_without_anything_says_what_it_could_not_ask(hcp: Hcp, world: World) -> None:
    dead(world.destination)
    ended = hcp("status")
    assert ended.code == 57
    assert "the search is incomplete: the destination was not read: The API server" in ended.paragraph


@pytest.mark.parametrize(
    "verb", [("status",), ("resume",), ("abort", "--yes"), ("plan", "resume")], ids=lambda verb: verb[0]
)
def test_a_journal_that_is_not_proven_is_named_with_the_way_on(
    hcp: Hcp, stopped: str, moved: Path, connected: World, verb: tuple[str, ...]
) -> None:
    key = f"hcp-dr/clusters/one/{stopped}/journal.jsonl"
    connected.bucket.put(key, connected.bucket.bodies[key], metadata={})
    ended = hcp(*verb)
    assert ended.code == 59
    assert (
        f"The journal s3://backups/{key} does not allow this command: it has no authentication code" in ended.paragraph
    )
    assert "Continue in the folder of the machine that ran last, with --backup." in ended.paragraph
    assert not moved.exists()


def test_resume_elsewhere_fetches_the_journal_and_goes_on(hcp: Hcp, stopped: str, moved: Path, world: World) -> None:
    ended = hcp("resume")
    assert ended.code == 0, ended.err
    assert f"Continuing with backup {stopped}; its journal is now in {moved}." in ended.err
    assert "> backup.one" not in ended.err
    story = journal.read(moved)
    assert story is not None
    assert story.ended
    assert story.memory.values.get("seen") == "yes"
    assert world.source.objects[LEASE]["spec"]["holderIdentity"] == ""
    assert status(hcp)["state"] == "ended"
    assert status(hcp)["todo"] == f"hcp-dr restore --backup {moved}"


@pytest.mark.usefixtures("stopped")
def test_the_first_machine_then_sees_that_it_ended(hcp: Hcp, moved: Path, folder: Path) -> None:
    assert hcp("resume").code == 0
    assert status(hcp)["state"] == "ended"
    assert moved.exists()
    again = hcp("resume", "--backup", str(folder))
    assert again.code == 57
    assert "is finished" in again.err.splitlines()[-1]


def test_the_first_machine_goes_on_with_what_another_began_meanwhile(
    hcp: Hcp, stopped: str, moved: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own journal knows of the backup only; what is not finished by now is calling it off."""
    undone: list[str] = []

    def look(_: Any) -> Any:
        undone.append(stopped)
        return Done("it is as it was")

    again = Refuse(Refused(what="The world is not as it should be."))
    monkeypatch.setattr(abort, "UNDO", (replace(toy("backup.two"), revert=lambda _: again),))
    monkeypatch.setattr(abort, "IN_SERVICE", ())
    assert hcp("abort", "--yes").code == 70
    assert moved.exists()
    monkeypatch.setattr(resume, "UNDO", (replace(toy("backup.two"), revert=look),))
    ended = hcp("resume", "--backup", str(folder))
    assert ended.code == 0, ended.err
    assert undone == [stopped]
    story = journal.read(folder)
    assert story is not None
    assert (story.command, story.ended) == ("abort", True)


@pytest.mark.usefixtures("stopped", "moved")
@pytest.mark.parametrize(
    "changed",
    [
        ("HC_CLUSTER_NAME", CASE.name, "two"),
        ("MGMT_CLUSTER_NAME", "mgmt-1", "mgmt-2"),
        ("AWS_ZONE_ID", CASE.zone_id, "Z-of-another"),
        ("EXTERNAL_DNS_DOMAIN", CASE.domain, "other.example"),
        ("MGMT2_REGION", CASE.aws_region, "eu-west-9"),
    ],
)
@pytest.mark.parametrize("verb", ["resume", "status", "report"])
def test_settings_of_another_relocation_are_refused(
    hcp: Hcp, folder: Path, monkeypatch: pytest.MonkeyPatch, changed: tuple[str, str, str], verb: str
) -> None:
    variable, began, now = changed
    monkeypatch.setenv(variable, now)
    monkeypatch.setenv("BACKUP_DIR", str(folder))
    ended = hcp(verb)
    assert ended.code == 3
    assert f"{variable}={began}, but the settings have {variable}={now}" in ended.paragraph


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize("verb", [["resume"], ["teardown", "--yes"]])
def test_every_verb_that_writes_holds_the_leases(
    hcp: Hcp, world: World, monkeypatch: pytest.MonkeyPatch, verb: list[str]
) -> None:
    seen: list[str] = []

    def look(_: Any) -> Any:
        seen.extend(str(each.objects[LEASE]["spec"]["holderIdentity"]) for each in (world.source, world.destination))
        return Done("looked")

    monkeypatch.setitem(PHASES, "teardown", (toy("teardown.one", look),))
    monkeypatch.setitem(PHASES, "backup", (*WHOLE, toy("backup.four", look)))
    if verb[0] == "teardown":
        assert hcp("resume").code == 0
        seen.clear()
    assert hcp(*verb).code == 0
    assert len(seen) == 2
    assert all(" run " in holder for holder in seen)
