"""A server whose certificate is not checked stops what begins, unless it is accepted, and whatever goes on later where
it was not accepted then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.cli import app
from hcp_dr.engine import journal
from hcp_dr.engine.step import Done, Refuse
from hcp_dr.errors import Refused
from hcp_dr.model import Side
from hcp_dr.procedure import PHASES
from tests.ports import World
from tests.unit.cli import test_by_hand, test_source_lost
from tests.unit.cli.conftest import Hcp
from tests.unit.cli.test_verbs import toy

pytestmark = pytest.mark.usefixtures("connected")
made, make = test_by_hand.made, test_source_lost.make

NOT_CHECKED = "insecure-skip-tls-verify is true in its kubeconfig"
SIDES: tuple[Side, ...] = ("source", "destination", "hosted")
BEGINNING = {"preflight", "plan", "relocate", "backup"}
READING = {"status", "report", "rbac"}
VERBS = sorted({str(each.name or each.callback.__name__) for each in app.registered_commands if each.callback})
LATER = [verb for verb in VERBS if verb not in BEGINNING | READING]
GOES_ON = {"abort": 57}
"""Of a toy that did nothing, there is nothing to undo."""
every_side = pytest.mark.parametrize("side", SIDES)


def not_checked(world: World, side: Side) -> None:
    world.ports.cluster(side).unverified = NOT_CHECKED  # type: ignore[misc]


def accepting(*sides: Side) -> list[str]:
    return [word for side in sides for word in ("--ignore-check", f"tls.{side}", "--reason", "behind the bastion")]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Phases of one step."""
    for phase in ("backup", "restore", "verify", "teardown", "finish", "relocate"):
        monkeypatch.setitem(PHASES, phase, (toy(f"{phase}.one"),))


@every_side
@pytest.mark.parametrize("verb", ["preflight", "relocate", "backup"])
def test_nothing_begins(hcp: Hcp, world: World, folder: Path, *, side: Side, verb: str) -> None:
    not_checked(world, side)
    ended = hcp(verb, "-o", "json", *(["--yes"] if verb != "preflight" else []))
    assert ended.code == 10
    [told] = [check for check in json.loads(ended.out)["checks"] if check["verdict"] == "blocked"]
    assert (told["name"], told["acceptable"]) == (f"tls.{side}", True)
    assert told["seen"] == f"https://{world.ports.cluster(side).server.removeprefix('https://')}: {NOT_CHECKED}"
    assert [call for call in world.written if call[0] not in ("put", "delete", "presign_put", "execute")] == []
    assert not folder.exists()


@every_side
@pytest.mark.usefixtures("made")
def test_no_restore_by_hand_begins(hcp: Hcp, world: World, folder: Path, side: Side) -> None:
    not_checked(world, side)
    ended = hcp("restore", "-o", "json")
    assert ended.code == 10
    told = {check["name"]: check for check in json.loads(ended.out)["checks"]}[f"tls.{side}"]
    assert (told["verdict"], told["acceptable"]) == ("blocked", False)
    assert journal.read(folder) is None


@every_side
def test_no_online_backup_begins(hcp: Hcp, world: World, tmp_path: Path, side: Side) -> None:
    not_checked(world, side)
    ended = hcp("backup", "--online", "--backup", str(tmp_path / "online"), "-o", "json")
    assert ended.code == 10
    told = {check["name"]: check for check in json.loads(ended.out)["checks"]}[f"tls.{side}"]
    assert (told["verdict"], told["acceptable"]) == ("blocked", False)
    assert not (tmp_path / "online").exists()


@pytest.fixture
def begun(hcp: Hcp, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A backup that is not finished, or is, with what was accepted."""

    def begin(*words: str, finished: bool) -> None:
        if not finished:
            stuck = toy("backup.one", lambda _: Refuse(Refused(what="Not yet.")))
            monkeypatch.setitem(PHASES, "backup", (stuck,))
        assert hcp("backup", "--yes", *words).code == (0 if finished else 70)
        monkeypatch.setitem(PHASES, "backup", (toy("backup.one", lambda _: Done("done")),))
        assert folder.exists()

    return begin


def going_on(verb: str) -> tuple[list[str], bool]:
    """The words, and whether what was begun has to be finished before."""
    return [verb, *(["--yes"] if verb in ("teardown", "abort") else [])], verb not in ("resume", "abort")


@every_side
@pytest.mark.parametrize("verb", LATER)
@pytest.mark.usefixtures("short")
def test_nothing_goes_on_that_was_not_accepted(
    hcp: Hcp, world: World, folder: Path, begun: Any, *, side: Side, verb: str
) -> None:
    words, finished = going_on(verb)
    begun(finished=finished)
    before, lines = list(world.written), (folder / journal.FILE_NAME).read_bytes()
    not_checked(world, side)
    ended = hcp(*words)
    assert ended.code == 70
    assert f"The server of the {side} cluster cannot be verified ({world.ports.cluster(side).server}" in ended.paragraph
    assert "certificate-authority-data" in ended.paragraph
    assert world.written == before
    assert (folder / journal.FILE_NAME).read_bytes() == lines


@every_side
@pytest.mark.parametrize("verb", LATER)
@pytest.mark.usefixtures("short")
def test_what_was_accepted_goes_on(hcp: Hcp, world: World, begun: Any, *, side: Side, verb: str) -> None:
    words, finished = going_on(verb)
    not_checked(world, side)
    begun(*accepting(side), finished=finished)
    assert hcp(*words).code == GOES_ON.get(verb, 0)


@pytest.mark.parametrize("verb", LATER)
@pytest.mark.usefixtures("short")
def test_another_server_or_another_side_was_not_accepted(hcp: Hcp, world: World, begun: Any, verb: str) -> None:
    words, finished = going_on(verb)
    not_checked(world, "source")
    begun(*accepting("source"), finished=finished)
    world.source.server = "https://elsewhere.example:6443"
    assert hcp(*words).code == 70
    world.source.server = "https://source.example:6443"
    not_checked(world, "destination")
    assert hcp(*words).code == 70
    world.destination.unverified = ""
    world.source.unverified = "its URL is http, without TLS"
    assert hcp(*words).code == 70
    world.source.unverified = ""
    assert hcp(*words).code == GOES_ON.get(verb, 0)


@every_side
@pytest.mark.usefixtures("short")
def test_who_only_reads_is_told(hcp: Hcp, world: World, begun: Any, side: Side) -> None:
    not_checked(world, side)
    assert hcp("plan", "backup").code == 0
    assert f"tls.{side}" in hcp("plan", "preflight").out
    world.ports.cluster(side).unverified = ""  # type: ignore[misc]
    begun(finished=True)
    not_checked(world, side)
    assert [hcp(verb).code for verb in ("status", "report", "rbac")] == [0, 0, 0]


@every_side
def test_no_restore_of_a_lost_source(
    hcp: Hcp, world: World, make: test_source_lost.Make, monkeypatch: pytest.MonkeyPatch, *, tmp_path: Path, side: Side
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("BACKUP_DIR")
    made = make("1-one", 1770000000.0)
    for cluster in (world.source, world.hosted):
        test_source_lost.dead(cluster)
    monkeypatch.setattr("hcp_dr.engine.liveness.FIRST_ANSWER_TIMEOUT", 0.0)
    before = (made / journal.FILE_NAME).read_bytes()
    not_checked(world, side)
    ended = hcp(*test_source_lost.WORDS, "--yes")
    assert ended.code == 70
    assert f"The server of the {side} cluster cannot be verified" in ended.paragraph
    assert (made / journal.FILE_NAME).read_bytes() == before
