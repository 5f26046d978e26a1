"""`hcp-dr restore` of a folder that was made with the documented commands."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.commands import restore_by_hand
from hcp_dr.engine import journal
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Check, Decision, Do, Done, Step
from hcp_dr.hypershift.manual_backup.snapshot import SNAPSHOT_WHOLE
from tests.ports import World
from tests.unit.cli.conftest import Hcp
from tests.unit.cli.test_verbs import Terminal, toy

pytestmark = pytest.mark.usefixtures("connected")

DOUBT = Check(SNAPSHOT_WHOLE, "warning", "it ends at revision 40", "what was written after it is lost", "save it again")
FILE = "namespaces/clusters/hc-one.yaml"


@pytest.fixture
def made(folder: Path) -> Path:
    """A folder with one file."""
    (folder / FILE).parent.mkdir(parents=True)
    (folder / FILE).write_text(
        "{kind: HostedCluster, apiVersion: hypershift.openshift.io/v1beta1, metadata: {name: x}}"
    )
    return folder


@pytest.fixture
def doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged with a doubt, and restored in one step that looks whether the judgement was handed over."""
    judge = toy("by_hand.judge", _judged)
    monkeypatch.setattr(restore_by_hand, "PREFLIGHT_BY_HAND", (judge,))
    restore: Step[Any] = toy("restore.one", lambda memory: Done(f"judged {memory.values.get('judged')}"))
    monkeypatch.setattr(restore_by_hand, "RESTORE_BY_HAND", (restore,))


def _judged(memory: Any) -> Decision:
    return Done("judged", (DOUBT,)) if memory.values.get("judged") else Do((Remember("judged", "e7a9"),))


def test_what_is_missing_is_told_whole_and_nothing_is_written(hcp: Hcp, world: World, made: Path) -> None:
    ended = hcp("restore", "-o", "json")
    assert ended.code == 10
    told = {check["name"]: check for check in json.loads(ended.out)["checks"]}
    assert told["files"]["verdict"] == "blocked"
    assert "Secret clusters-one/root-ca" in told["complete"]["seen"]
    assert [call for call in world.written if call[0] != "execute"] == []
    assert journal.read(made) is None
    assert "Nothing was changed anywhere" in ended.err


@pytest.mark.usefixtures("doubtful", "made")
@pytest.mark.parametrize(("typed", "code"), [("one\n", 1), ("two\n", 76), ("", 76)])
def test_a_loss_that_cannot_be_ruled_out_is_told_and_asks(
    hcp: Hcp, folder: Path, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    ended = hcp("restore", "-o", "json")
    assert ended.code == code
    assert "The snapshot is not proven to hold all writes: it ends at revision 40." in ended.err
    story = journal.read(folder)
    assert (story is not None) is (code == 1)
    if story is not None:
        assert (story.command, story.ended) == ("restore-by-hand", True)
        assert json.loads(ended.out)["steps"][0]["because"] == "judged e7a9"
        assert json.loads(ended.out)["warnings"] == [f"{SNAPSHOT_WHOLE}: it ends at revision 40"]


@pytest.mark.usefixtures("doubtful", "made")
def test_machines_say_yes(hcp: Hcp) -> None:
    assert hcp("restore", "--yes").code == 1, "done with warnings"


@pytest.mark.usefixtures("doubtful")
def test_a_folder_that_people_left_open_is_told_and_keeps_its_mode(hcp: Hcp, made: Path) -> None:
    """The documented `mkdir` makes it so, and the hosted API is away by then."""
    made.chmod(0o755)
    for verb in (("restore", "--yes"), ("resume",)):
        ended = hcp(*verb)
        assert f"! backup folder: The backup folder {made} is accessible to others (mode 755). " in ended.err
        assert f"To restrict it: `chmod 700 {made}`." in ended.err
    assert stat.S_IMODE(made.stat().st_mode) == 0o755


@pytest.mark.usefixtures("doubtful")
def test_what_follows_is_said_and_the_lease_is_given_back(hcp: Hcp, made: Path) -> None:
    assert hcp("restore", "--yes").code == 1
    told = json.loads(hcp("status", "-o", "json").out)
    assert (told["command"], told["todo"]) == ("restore-by-hand", f"hcp-dr verify --backup {made}")
    assert told["lease"]["source"]["state"] == "free"


@pytest.mark.usefixtures("made")
def test_a_plan_of_it_is_one_of_the_restore_by_hand(hcp: Hcp) -> None:
    ended = hcp("plan", "restore", "-o", "json")
    assert json.loads(ended.out)["steps"][0]["name"] == "by_hand.judge_backup"


def test_a_folder_without_objects_is_no_backup(hcp: Hcp, folder: Path) -> None:
    folder.mkdir(mode=0o700)
    assert hcp("restore").code == 57
