"""The commands as functions, over a whole relocation: the guards that stand around the steps, and what they journal."""

from __future__ import annotations

import pytest

import hcp_dr
from hcp_dr.engine.journal import fold, parse_journal
from hcp_dr.engine.journal_lines import Line
from hcp_dr.errors import DONE, JournalError, NothingToResume, Unfinished
from hcp_dr_lab.tabletop.operator import Operator
from tests.tabletop.scene import Scene, forget_the_key, mirror_key, put, scene
from tests.tabletop.test_dangers import Killed, just_before, kill


def written(here: Scene) -> list[str]:
    """From now on, each request that may change something, the bucket's excepted."""
    seen: list[str] = []

    def listen(moment: str, request: object) -> None:
        if moment == "before" and getattr(request, "writes", False) and not str(request).startswith("bucket"):
            seen.append(str(request))

    here.world.hooks.append(listen)
    return seen


@pytest.mark.parametrize("phase", ["restore", "verify", "teardown", "finish"])
def test_no_phase_follows_an_online_backup(phase: str) -> None:
    here = scene()
    assert here.operator.back_up_online().error is None
    seen = written(here)
    error = here.operator.go_on(phase).error
    assert isinstance(error, JournalError)
    assert f"{phase} would lose writes" in error.what
    assert seen == []


@pytest.mark.parametrize("phase", ["restore", "verify", "teardown", "finish"])
def test_no_phase_follows_an_abort(phase: str) -> None:
    here = scene()
    assert here.operator.backup().error is None
    assert here.operator.abort().error is None
    seen = written(here)
    error = here.operator.go_on(phase).error
    assert isinstance(error, JournalError)
    assert f"{phase} would begin it again" in error.what
    assert seen == []


def test_a_folder_with_a_backup_takes_no_second_one() -> None:
    here = scene()
    assert here.operator.backup().error is None
    seen = written(here)
    for begin in (here.operator.backup, here.operator.relocate, here.operator.back_up_online):
        error = begin().error
        assert isinstance(error, JournalError)
        assert "holds a finished backup" in error.what
    assert seen == []


def test_a_folder_with_an_unfinished_backup_takes_no_second_one() -> None:
    here = scene()
    just_before(here, "backup.fence", kill)
    with pytest.raises(Killed):
        here.operator.backup()
    here.world.hooks.clear()
    seen = written(here)
    assert isinstance(here.operator.backup().error, Unfinished)
    assert isinstance(here.operator.go_on("restore").error, Unfinished)
    assert seen == []
    assert here.operator.resume().error is None


def test_what_preflight_found_is_journaled() -> None:
    here = scene()
    [checked] = [line for line in here.operator.relocate().story.lines if line.get("step") == "preflight"]
    assert checked["line"] == "checked"
    assert {"tls.source", "tls.destination"} <= {check["name"] for check in checked.checks}


def test_how_the_names_move_is_remembered_only_where_it_was_said() -> None:
    assert "dns" not in scene().operator.backup().story.memory.values
    assert scene().operator.backup(dns="takeover").story.memory.values.get("dns") == "takeover"


@pytest.mark.parametrize("dns", ["release", "takeover", "handover"])
def test_a_resume_cannot_decide_again_how_the_names_move(dns: hcp_dr.model.Dns) -> None:
    here = scene()
    just_before(here, "restore.node_pools", kill)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    error = here.operator.resume(dns=dns).error
    assert isinstance(error, JournalError)
    assert f"--dns {dns} has no effect" in error.what
    ending = here.operator.resume()
    assert ending.exit_code == DONE
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("step", ["backup.fence", "restore.start_control_plane", "teardown.cluster"])
def test_what_was_begun_in_the_format_of_before_is_resumed(step: str) -> None:
    here = scene()
    just_before(here, step, kill)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    lines = [
        Line({key: value for key, value in line.items() if key not in NEWER}) for line in here.operator.story().lines
    ]
    here.operator.take_over(fold(lines), here.operator.files)
    put(here, mirror_key(here), here.operator.journal_data())
    forget_the_key(here.world)
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()
    assert parse_journal(here.operator.journal_data(), "in memory").ended


NEWER = frozenset({"sum", "format", "version", "limit"})


def test_nothing_is_resumed_that_never_began() -> None:
    with pytest.raises(NothingToResume):
        Operator(scene().world, machine="another").resume()
