"""A verb that only looks, after the end of a relocation, changes neither the status nor the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tabletop.scene import scene
from tests.tabletop.terminal import Terminal

VERBS = (
    *("preflight", "plan", "plan relocate", "plan teardown", "relocate --yes", "backup --yes", "restore", "verify"),
    *(
        "teardown --yes",
        "finish",
        "resume",
        "abort --yes",
        "status",
        "report",
        "restore --source-lost --reason x --yes",
    ),
)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(scene(), tmp_path / "home", monkeypatch, capsys)


def told(terminal: Terminal) -> tuple[Any, ...]:
    """What status and report say, and the files behind them."""
    status = json.loads(terminal("status", "-o", "json").out)
    for clock in ("last_line_at", "mirror"):
        del status[clock]
    files = [(terminal.backup / name).read_bytes() for name in ("journal.jsonl", "report.json", "report.txt")]
    return status, terminal("report").out, terminal("report", "-o", "html").out, files[0], files[1], files[2]


@pytest.mark.parametrize(
    "commands",
    [
        ("relocate --yes",),
        ("backup --yes", "restore", "verify", "teardown --yes", "finish"),
        ("backup --yes", "abort --yes"),
    ],
    ids=["relocated", "by phases", "aborted"],
)
def test_after_the_end(terminal: Terminal, commands: tuple[str, ...]) -> None:
    for command in commands:
        assert terminal(*command.split()).code == 0
    before = told(terminal)
    assert before[0]["state"] == "ended"
    assert before[0]["next_command"] is None
    for verb in VERBS:
        ended = terminal(*verb.split())
        assert ended.code != 2, verb
        assert told(terminal) == before, verb


def test_after_the_restore_of_a_lost_source(terminal: Terminal) -> None:
    assert terminal("backup", "--online", "--backup", str(terminal.backup)).code == 0
    world = terminal.here.world
    world.die(world.sides[0])
    world.clock.spend(5)
    assert (
        terminal("restore", "--source-lost", "--reason", "flood", "--yes", "--backup", str(terminal.backup)).code == 1
    )
    before = told(terminal)
    for verb in VERBS:
        if verb not in ("teardown --yes", "finish"):
            assert terminal(*verb.split()).code != 2, verb
            assert told(terminal) == before, verb
