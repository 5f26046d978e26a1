"""A journal that holds other types than were written is refused by its line, whatever reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.engine import journal
from hcp_dr.engine.journal import FILE_NAME, Journal
from hcp_dr.engine.mirror import MirroredJournal
from hcp_dr.errors import JournalError
from hcp_dr.model import Case
from tests.ports import CASE

BEGIN: dict[str, Any] = {"at": 1.0, "line": "begin", "command": "relocate", "by": "me", "case": CASE.to_json()}
DONE: dict[str, Any] = {"at": 2.0, "line": "done", "step": "backup.pause", "seconds": 1.0, "because": "so"}
CHECKED: dict[str, Any] = {"at": 2.0, "line": "checked", "step": "preflight"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({**BEGIN, "at": "now"}, "a field at that is not a moment in seconds"),
    ({**BEGIN, "at": float("nan")}, "a field at that is not a moment in seconds"),
    ({**BEGIN, "at": 10**400}, "a field at that is not a moment in seconds"),
    ({**BEGIN, "at": -1.0}, "a field at that is not a moment in seconds"),
    ({**BEGIN, "case": "x"}, "a field case that is not a mapping"),
    ({**BEGIN, "case": [1]}, "a field case that is not a mapping"),
    ({**BEGIN, "command": ["relocate"]}, "a field command that is not a word"),
    ({**DONE, "step": ["x"]}, "a field step that is not a word"),
    ({**DONE, "step": None}, "no field step"),
    ({**DONE, "seconds": "x"}, "a field seconds that is not a number"),
    ({**CHECKED, "checks": "x"}, "a field checks that is not a list of checks"),
    ({**CHECKED, "checks": [{"name": "x"}]}, "a field checks that is not a list of checks"),
    (CHECKED, "no field checks"),
    ({"at": 2.0, "line": "alarm"}, "no field watch"),
    ({"at": 2.0, "line": "forget", "steps": 5, "keys": 7}, "a field steps that is not a list of words"),
    ({"at": 2.0, "line": "undone", "step": "a", "warnings": 5}, "a field warnings that is not a list of texts"),
    ({"at": 2.0, "line": "remember"}, "no field key"),
    ({"at": 2.0, "line": "failed", "text": {}}, "a field text that is not a text"),
]


def written(folder: Path, *lines: dict[str, Any]) -> bytes:
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    (folder / FILE_NAME).write_bytes(data)
    return data


@pytest.mark.parametrize(("line", "says"), WRONG)
def test_whoever_reads_it_is_told_which_line(tmp_path: Path, line: dict[str, Any], says: str) -> None:
    data = written(tmp_path, {**BEGIN, "case": {"name": "one"}}, line)
    for read in (
        lambda: journal.read(tmp_path),
        lambda: Journal(tmp_path, now=lambda: 3.0),
        lambda: MirroredJournal("hcp-dr/a/b/c", data, "etag").story,
    ):
        with pytest.raises(JournalError) as caught:
            read()
        assert "its line 2 (" in str(caught.value)
        assert says in str(caught.value)


def test_a_mirror_that_is_not_one_is_not_taken(tmp_path: Path) -> None:
    before = written(tmp_path, BEGIN)
    writer = Journal(tmp_path, now=lambda: 3.0)
    with pytest.raises(JournalError):
        writer.adopt(b'{"at": "now", "line": "begin"}\n')
    writer.close()
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_line_that_is_too_deep_is_none(tmp_path: Path) -> None:
    written(tmp_path, BEGIN)
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b"[" * 100000 + b"\n" + b'{"a":' * 20000 + b"\n")
    told = journal.read(tmp_path)
    assert told is not None
    assert len(told.lines) == 1


def test_what_was_written_is_read(tmp_path: Path) -> None:
    other = {"line": 1, "of": "another program"}
    later = {"at": 3.0, "line": "of a later version", "step": None, "anything": {"x": 1}}
    written(tmp_path, BEGIN, DONE, {**CHECKED, "checks": []}, other, later)
    told = journal.read(tmp_path)
    assert told is not None
    assert Case.from_json(dict(told.case or {})) == CASE


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"namespace": 5}, "namespace is not a string"),
        ({"part_mib": "many"}, "part_mib is not a number"),
        ({"documented_key": "false"}, "documented_key is not true or false"),
        ({"node_pools": None}, "node_pools is not a list of strings"),
        ({"node_pools": "workers"}, "node_pools is not a list of strings"),
        ({"node_pools": [7]}, "node_pools is not a list of strings"),
        ({"extra": 1}, "unexpected keyword argument 'extra'"),
    ],
)
def test_a_case_that_is_none(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Case.from_json({**CASE.to_json(), **change})


def test_a_case_that_lacks_something() -> None:
    with pytest.raises(ValueError, match="namespace"):
        Case.from_json({"name": "one", "node_pools": []})
