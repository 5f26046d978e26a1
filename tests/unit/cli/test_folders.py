"""Whose the backup folder is, is looked at before any cluster is asked, by every command that uses one."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hcp_dr.engine.journal import FILE_NAME, Journal
from hcp_dr.objects.archive import MANIFEST, Manifest, Snapshot
from hcp_dr.procedure import PHASES
from tests.ports import CASE, World
from tests.unit.cli.conftest import Hcp
from tests.unit.cli.test_verbs import toy

BEGINNING = ["relocate --yes", "backup --yes", "backup --online --backup {}"]
FOLLOWING = ["verify", "teardown --yes", "finish", "restore"]
GOING_ON = ["resume", "abort --yes"]
LOST = ["restore --source-lost --yes --reason flood --backup {}"]
READING = ["report --backup {}", "status"]

Words = Callable[[str], list[str]]


@pytest.fixture
def words(folder: Path) -> Words:
    return lambda line: [word.format(folder) for word in line.split()]


@pytest.fixture(autouse=True)
def asked(connected: World) -> list[str]:
    """What is asked of a cluster, the bucket or the zone."""
    found: list[str] = []
    for port in (connected.source, connected.destination, connected.hosted, connected.bucket):
        port.before = found.append
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("line", [*BEGINNING, *FOLLOWING, *GOING_ON, *LOST])
@pytest.mark.parametrize("bits", [0o700, 0o755, 0o1777])
def test_a_folder_of_somebody_else_is_left_as_it_is(
    hcp: Hcp, folder: Path, asked: list[str], words: Words, *, line: str, bits: int
) -> None:
    folder.mkdir()
    (folder / "of-somebody").write_text("x")
    folder.chmod(bits)
    ended = hcp(*words(line))
    assert ended.code == (51 if line in LOST else 50), ended.err
    assert asked == []
    assert (mode(folder), [path.name for path in folder.iterdir()]) == (bits, ["of-somebody"])
    if line in (*BEGINNING, *GOING_ON):
        assert ended.paragraph == (
            f"The backup folder {folder} cannot be used: it is not empty and has no journal of hcp-dr, so it "
            "may have another purpose. Nothing was changed anywhere. Name a new or an empty folder."
        )


@pytest.mark.parametrize("line", [*FOLLOWING, *GOING_ON])
def test_ours_that_is_open_to_others_is_closed_first(
    hcp: Hcp, folder: Path, asked: list[str], words: Words, line: str
) -> None:
    folder.mkdir(mode=0o755)
    with closing(Journal(folder, now=lambda: 0.0)) as writer:
        writer.write("begin", command="relocate", case=CASE.to_json())
    ended = hcp(*words(line))
    assert (ended.code, asked) == (50, [])
    assert (
        f"it is accessible to others (mode 755), but it is for private keys; to restrict it: `chmod 700 {folder}`."
        in ended.err
    )
    assert mode(folder) == 0o755


@pytest.mark.parametrize("line", BEGINNING)
def test_an_empty_one_that_is_open_to_others_is_closed_first(
    hcp: Hcp, folder: Path, asked: list[str], words: Words, line: str
) -> None:
    folder.mkdir(mode=0o755)
    ended = hcp(*words(line))
    assert (ended.code, asked, mode(folder)) == (50, [], 0o755)
    assert f"`chmod 700 {folder}`" in ended.paragraph


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder away")
@pytest.mark.parametrize("line", [*BEGINNING, *FOLLOWING, *GOING_ON, *READING])
def test_one_of_another_user_is_not_used(hcp: Hcp, folder: Path, asked: list[str], words: Words, line: str) -> None:
    folder.mkdir(mode=0o700)
    with closing(Journal(folder, now=lambda: 0.0)) as writer:
        writer.write("begin", command="relocate", case=CASE.to_json())
    os.chown(folder, 65534, 65534)
    ended = hcp(*words(line))
    assert ended.code in (50, 55), ended.err
    assert "it belongs to user id 65534, but hcp-dr runs as 0: run hcp-dr as that user" in ended.err
    assert asked == []


@pytest.mark.parametrize("line", [*BEGINNING, *FOLLOWING, *GOING_ON, *LOST, *READING])
@pytest.mark.parametrize("place", ["", FILE_NAME])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_stands_in_its_place_or_in_that_of_its_journal_leads_nowhere(
    hcp: Hcp, folder: Path, tmp_path: Path, asked: list[str], words: Words, *, line: str, place: str, kind: str
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    with closing(Journal(victim, now=lambda: 0.0)) as writer:
        writer.write("begin", command="relocate", case=CASE.to_json())
    before = (victim / FILE_NAME).read_bytes()
    if place:
        folder.mkdir(mode=0o700)
    if kind == "link":
        (folder / place).symlink_to(victim / place)
    else:
        os.mkfifo(folder / place)
    ended = hcp(*words(line))
    assert ended.code in (50, 51, 55, 57), ended.err
    assert asked == [] or line == "status" or (kind, place) == ("pipe", "")
    assert (victim / FILE_NAME).read_bytes() == before
    assert [path.name for path in victim.iterdir()] == [FILE_NAME]


def test_links_among_files_that_people_made_are_told(hcp: Hcp, folder: Path, asked: list[str]) -> None:
    (folder / "namespaces" / "clusters").mkdir(parents=True)
    (folder / "namespaces" / "clusters" / "hc-one.yaml").symlink_to("/etc/passwd")
    ended = hcp("restore")
    assert (ended.code, asked) == (50, [])
    assert "its entry 'hc-one.yaml' is a symbolic link, and links are not followed" in ended.paragraph


@pytest.mark.parametrize("name", ["report.json", "report.txt", "report.html"])
def test_the_report_is_written_through_no_link(
    hcp: Hcp, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """In a folder that was used before."""
    monkeypatch.setitem(PHASES, "verify", (toy("verify.one"),))
    folder.mkdir(mode=0o700)
    with closing(Journal(folder, now=lambda: 0.0)) as writer:
        writer.write("begin", command="restore", case=CASE.to_json())
        writer.write("end")
    (folder / name).symlink_to(tmp_path / "victim")
    ended = hcp("verify")
    assert ended.code == 50
    assert f"{name}: {name} is a symbolic link, and links are not followed" in ended.err
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"key": "hcp-dr/clusters/one2/x/snapshot.db"}, "names the snapshot 'hcp-dr/clusters/one2/x/snapshot.db'"),
        ({"key": "one-etcd-0-snapshot.db"}, "names the snapshot 'one-etcd-0-snapshot.db'"),
        ({"bucket": "of-somebody"}, "in bucket 'of-somebody'"),
    ],
)
@pytest.mark.parametrize("line", ["restore", "resume"])
def test_a_snapshot_that_is_not_the_backups_own_is_not_restored(
    hcp: Hcp, folder: Path, connected: World, *, changes: dict[str, str], told: str, line: str
) -> None:
    folder.mkdir(mode=0o700)
    case = CASE.to_json()
    named = {"bucket": CASE.bucket, "key": CASE.snapshot_key} | changes
    whole = Snapshot(named["bucket"], named["key"], 8, "5ad1", "9f", 42, 7, "f")
    (folder / MANIFEST).write_text(Manifest(case, 1.0, "f", (), whole).to_text())
    with closing(Journal(folder, now=lambda: 0.0)) as writer:
        writer.write("begin", command="restore" if line == "resume" else "backup", case=case)
        if line == "restore":
            writer.write("end")
    ended = hcp(line)
    assert ended.code == 50, ended.err
    assert told in ended.err
    assert [call for call in connected.written if "Lease" not in str(call)] == []


def test_the_default_folder_and_those_above_it_are_for_their_owner_only(
    hcp: Hcp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PHASES, "relocate", (toy("backup.one"),))
    monkeypatch.setattr("hcp_dr.commands.begin.PREFLIGHT", ())
    monkeypatch.delenv("BACKUP_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "state").mkdir(mode=0o755)
    before = os.umask(0)
    try:
        assert hcp("relocate", "--yes", "-o", "json").code == 0
    finally:
        os.umask(before)
    made = {path.name: mode(path) for path in (tmp_path / "state").rglob("*") if path.is_dir()}
    assert set(made.values()) == {0o700}
    assert mode(tmp_path / "state") == 0o755


def test_the_names_in_the_path_of_the_default_folder_are_names(hcp: Hcp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BACKUP_DIR")
    monkeypatch.setenv("HC_CLUSTER_NS", "../../elsewhere")
    ended = hcp("status")
    assert ended.code == 3
    assert "Invalid values: HC_CLUSTER_NS" in ended.paragraph


def test_what_the_report_says_of_the_folder_is_whole(hcp: Hcp, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o700)
    with closing(Journal(folder, now=lambda: 0.0)) as writer:
        writer.write("begin", command="relocate", case=CASE.to_json())
    monkeypatch.chdir(folder.parent)
    assert json.loads(hcp("report", "--backup", folder.name, "-o", "json").out)["backup"]["folder"] == str(folder)
