"""What the verbs print, journal and refuse: results on stdout, progress on stderr, the confirmation in between."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hcp_dr.engine import journal
from hcp_dr.engine.step import Decision, Do, Done, Refuse, Remember, Step
from hcp_dr.errors import Refused
from hcp_dr.procedure import PHASES, PREFLIGHT
from tests.ports import World
from tests.unit.cli.conftest import Hcp

pytestmark = pytest.mark.usefixtures("connected")


def toy(name: str, plan: Any = None) -> Step[Any]:
    return Step(name, "-", lambda _ports, _case, memory: memory, plan or (lambda _: Done(f"{name} is done")))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup of two steps and a teardown of one, instead of the real ones."""
    monkeypatch.setitem(PHASES, "backup", (toy("backup.one"), toy("backup.two", remembering)))
    monkeypatch.setitem(PHASES, "teardown", (toy("teardown.one"),))


def remembering(memory: Any) -> Decision:
    return Done("two is done") if memory.text("seen") else Do((Remember("seen", "yes"),))


def test_preflight_says_what_it_found(hcp: Hcp, folder: Path) -> None:
    ended = hcp("preflight", "-o", "json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["verdict"] == "ok"
    assert set(found["checks"][0]) == {"name", "verdict", "seen", "why", "todo"}
    assert not folder.exists()


def test_preflight_that_finds_a_problem_shows_all_and_ends_with_its_code(hcp: Hcp, world: World) -> None:
    world.destination.served = {}
    world.instances.running.clear()
    ended = hcp("preflight")
    assert ended.code == 10
    lines = ended.out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("blocked")] == ["versions.destination", "instances"]
    assert lines[-1] == "verdict: blocked"
    assert "\nhcp-dr: This hosted cluster cannot be relocated now: " in ended.err
    assert "blocked by versions.destination, instances." in ended.err


@pytest.mark.parametrize("phase", sorted(PHASES))
def test_a_plan_is_printed_and_nothing_is_written(hcp: Hcp, world: World, folder: Path, phase: str) -> None:
    ended = hcp("plan", phase, "-o", "yaml")
    assert (ended.code, ended.err) == (0, "")
    steps = yaml.safe_load(ended.out)["steps"]
    assert [step["name"] for step in steps] == [step.name for step in PHASES[phase]]
    assert all(set(step) == {"name", "documented", "decision", "text", "actions"} for step in steps)
    reading = [call for call in world.written if call[0] == "execute"]
    assert world.written == reading, "the closed list of reading commands is no writing"
    assert not folder.exists()


@pytest.mark.parametrize("verb", ["relocate", "backup"])
def test_nobody_there_to_confirm_means_no(hcp: Hcp, folder: Path, verb: str) -> None:
    ended = hcp(verb)
    assert ended.code == 76
    told = ended.err.splitlines()[-1]
    assert told == (
        "hcp-dr: The API of hosted cluster clusters/one goes away from mgmt-1 until it serves on mgmt-2. "
        "Nobody is there to confirm it. Nothing was changed anywhere. "
        "Run again and type the hosted cluster's name, or give --yes."
    )
    assert not folder.exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(("typed", "code"), [("one\n", 0), ("one2\n", 76), ("\n", 76), ("", 76)])
def test_the_name_is_typed_to_confirm(
    hcp: Hcp, folder: Path, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    ended = hcp("backup")
    assert ended.code == code
    assert folder.exists() is (code == 0)
    assert "Type the hosted cluster's name (one) to go on: " in ended.err


@pytest.mark.usefixtures("short")
def test_a_command_is_journaled_carried_out_and_reported(hcp: Hcp, folder: Path) -> None:
    ended = hcp("backup", "--yes", "-o", "json")
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert (result["result"], result["command"], result["backup_dir"]) == ("done", "backup", str(folder))
    assert [(step["name"], step["because"]) for step in result["steps"]] == [
        ("backup.one", "backup.one is done"),
        ("backup.two", "two is done"),
    ]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    story = journal.read(folder)
    assert story is not None
    assert story.ended
    assert story.case is not None
    assert story.case["infra_id"] == "one-x7k2"
    assert [line["line"] for line in story.lines] == ["begin", "step", "done", "step", "remember", "done", "end"]


@pytest.mark.usefixtures("short")
def test_a_finished_folder_is_not_used_again(hcp: Hcp, folder: Path) -> None:
    hcp("backup", "--yes")
    ended = hcp("backup", "--yes")
    assert ended.code == 55
    assert "the folder holds a finished backup" in ended.paragraph
    resumed = hcp("resume")
    assert resumed.code == 57
    assert resumed.paragraph.startswith(f"There is nothing to resume: the backup in {folder} is finished.")


@pytest.mark.usefixtures("short")
def test_what_stopped_goes_on_where_it_was(hcp: Hcp, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    broken = toy("backup.two", lambda _: Refuse(Refused(what="The world is not as it should be.")))
    whole = PHASES["backup"]
    monkeypatch.setitem(PHASES, "backup", (whole[0], broken))
    stopped = hcp("backup", "--yes")
    assert stopped.code == 70
    assert stopped.err.splitlines()[-1].startswith("hcp-dr: The world is not as it should be. ")

    for words in (["backup", "--yes"], ["teardown", "--yes"]):
        again = hcp(*words)
        assert again.code == 56, words
        assert "holds the journal of a backup that is not finished (next: backup.two)" in again.paragraph

    status = json.loads(hcp("status", "-o", "json").out)
    assert (status["state"], status["step"], status["done"]) == ("unfinished", "backup.two", ["backup.one"])
    assert status["last_error"].startswith("The world is not as it should be.")

    monkeypatch.setitem(PHASES, "backup", whole)
    resumed = hcp("resume", "--backup", str(folder))
    assert resumed.code == 0, resumed.err
    assert "> backup.one" not in resumed.err
    assert "> backup.two" in resumed.err
    assert json.loads(hcp("status", "-o", "json").out)["state"] == "ended"


@pytest.mark.usefixtures("short")
def test_a_phase_that_follows_goes_on_in_the_same_folder(hcp: Hcp, folder: Path) -> None:
    hcp("backup", "--yes")
    unconfirmed = hcp("teardown")
    assert unconfirmed.code == 76
    assert "Hosted cluster clusters/one is removed from mgmt-1; its instances live on." in unconfirmed.paragraph
    ended = hcp("teardown", "--yes")
    assert ended.code == 0, ended.err
    story = journal.read(folder)
    assert story is not None
    assert story.memory.done == {"backup.one", "backup.two", "teardown.one"}


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_after_the_current_action(
    hcp: Hcp, monkeypatch: pytest.MonkeyPatch, folder: Path, number: signal.Signals
) -> None:
    def interrupted(_: Any) -> Decision:
        os.kill(os.getpid(), number)
        return Do((Remember("done", "yes"),))

    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    monkeypatch.setitem(PHASES, "backup", (toy("backup.one", interrupted),))
    ended = hcp("backup", "--yes")
    assert ended.code == 128 + number
    assert f"Stopped by {number.name} after the current action; nothing was undone." in ended.err
    assert f"hcp-dr resume --backup {folder}" in ended.err
    story = journal.read(folder)
    assert story is not None
    assert story.memory.text("done") == "yes"
    assert (story.ended, story.lines[-1]["line"]) == (False, "stopped")
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers


@pytest.mark.usefixtures("short")
def test_without_a_folder_given_one_is_found_below_the_users_state(
    hcp: Hcp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("BACKUP_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert hcp("status").code == 57
    assert hcp("backup", "--yes").code == 0
    [made] = (tmp_path / "state" / "hcp-dr" / "clusters" / "one").iterdir()
    assert json.loads(hcp("status", "-o", "json").out)["backup_dir"] == str(made)


def test_preflight_is_no_part_of_the_journal_and_comes_first_everywhere() -> None:
    assert PHASES["relocate"][: len(PREFLIGHT)] == PREFLIGHT


def test_a_wrong_word_is_a_usage_error(hcp: Hcp) -> None:
    assert hcp("relocate", "--dry").code == 2
    assert hcp("plan", "-o", "xml").code == 2
