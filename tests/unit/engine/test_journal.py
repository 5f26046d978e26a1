"""The journal: appended line by line, read whatever the crash left of it, written by one process at a time."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcp_dr.engine import journal
from hcp_dr.engine.journal import FILE_NAME, Journal, JournalState, fold, parse
from hcp_dr.engine.journal_lines import Line, case_of
from hcp_dr.errors import JournalError, NewerJournal
from hcp_dr.report import relocation

LINES: list[dict[str, Any]] = [
    {"line": "begin", "command": "relocate", "case": {"name": "one"}},
    {"line": "step", "step": "backup.pause"},
    {"line": "remember", "key": "nonce", "value": "abc"},
    {"line": "intent", "step": "backup.pause", "actions": []},
    {"line": "done", "step": "backup.pause", "seconds": 1.5, "because": "so"},
    {"line": "step", "step": "backup.fence"},
]


def now() -> Iterator[float]:
    at = 1000.0
    while True:
        yield at
        at += 0.25


def opened(folder: Path) -> Journal:
    times = now()
    return Journal(folder, now=lambda: next(times))


def write_all(folder: Path, lines: list[dict[str, Any]]) -> None:
    with closing(opened(folder)) as writer:
        for line in lines:
            writer.write(**line)


def test_a_story_is_told_from_the_start(tmp_path: Path) -> None:
    write_all(tmp_path, LINES)
    story = journal.read(tmp_path)
    assert story is not None
    assert (story.command, story.case, story.current, story.ended) == (
        "relocate",
        {"name": "one"},
        "backup.fence",
        False,
    )
    assert story.memory.values.get("nonce") == "abc"
    assert story.memory.done == {"backup.pause"}
    assert story.seconds_of_steps() == {"backup.pause": 1.5}
    assert [line["at"] for line in story.lines] == [1000.0, 1000.25, 1000.5, 1000.75, 1001.0, 1001.25]


def test_what_is_written_is_known_at_once_and_after_reading_again(tmp_path: Path) -> None:
    writer = opened(tmp_path)
    with closing(writer):
        for line in LINES:
            writer.write(**line)
        assert writer.story == journal.read(tmp_path)
        assert writer.memory is writer.story.memory
    with closing(opened(tmp_path)) as again:
        assert again.story == journal.read(tmp_path)


def test_a_line_is_on_disk_before_the_call_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append((tmp_path / FILE_NAME).read_bytes()))
    with closing(opened(tmp_path)) as writer:
        writer.write("intent", step="a")
    assert {"at": 1000.0, "line": "intent", "step": "a"}.items() <= json.loads(synced[-1]).items()


def test_it_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    write_all(tmp_path, LINES)
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


def test_a_command_begins_again_in_the_same_folder_and_knows_what_was_done(tmp_path: Path) -> None:
    write_all(tmp_path, [*LINES, {"line": "end"}])
    assert (ended := journal.read(tmp_path)) is not None
    assert ended.ended
    write_all(tmp_path, [{"line": "begin", "command": "verify", "case": None}])
    assert (story := journal.read(tmp_path)) is not None
    assert (story.command, story.ended, story.case) == ("verify", False, {"name": "one"})
    assert story.memory.done == {"backup.pause"}


def test_an_abort_takes_steps_back_and_ends_the_story(tmp_path: Path) -> None:
    begins = {"line": "begin", "command": "abort", "case": None}
    write_all(tmp_path, [*LINES, begins, {"line": "undo", "step": "backup.fence"}])
    assert (story := journal.read(tmp_path)) is not None
    assert (story.aborted, story.ended, story.current) == (True, False, "backup.fence")
    assert story.memory.begun == {"backup.pause", "backup.fence"}
    assert story.memory.acted == {"backup.pause"}
    write_all(tmp_path, [{"line": "undone", "step": step} for step in ("backup.fence", "backup.pause")])
    write_all(tmp_path, [{"line": "end"}])
    assert (story := journal.read(tmp_path)) is not None
    assert (story.aborted, story.ended, story.current) == (True, True, None)
    assert story.memory.done == set()
    assert story.memory.undone == {"backup.pause", "backup.fence"}


def test_a_remembered_value_may_be_replaced(tmp_path: Path) -> None:
    write_all(tmp_path, [{"line": "remember", "key": "k", "value": value} for value in ("old", {"new": [1, None]})])
    assert (story := journal.read(tmp_path)) is not None
    assert story.memory.values.get("k") == {"new": [1, None]}


@given(st.integers(min_value=0))
def test_a_torn_last_line_is_passed_over(length: int) -> None:
    lines = [json.dumps(line).encode() for line in LINES]
    torn = lines[-1][: length % len(lines[-1])]
    assert parse(b"\n".join([*lines[:-1], torn])) == LINES[:-1]


def test_what_comes_after_a_torn_line_is_read(tmp_path: Path) -> None:
    write_all(tmp_path, LINES[:3])
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'{"at": 1, "line": "remember", "key": "torn", "va')
    with closing(opened(tmp_path)) as writer:
        assert writer.memory.values.get("torn") is None
        writer.write("remember", key="whole", value="yes")
        assert writer.memory.values.get("whole") == "yes"
    assert (story := journal.read(tmp_path)) is not None
    assert (story.memory.values.get("nonce"), story.memory.values.get("torn"), story.memory.values.get("whole")) == (
        "abc",
        None,
        "yes",
    )


@given(st.binary())
def test_reading_is_total(data: bytes) -> None:
    assert isinstance(fold(parse(data)), JournalState)


@given(st.lists(st.dictionaries(st.sampled_from(["step", "key", "value", "command", "case"]), st.none() | st.text())))
def test_lines_of_any_kind_and_content_can_be_told(lines: list[dict[str, Any]]) -> None:
    kinds = (
        "begin",
        "step",
        "remember",
        "intent",
        "outcome",
        "done",
        "end",
        "failed",
        "undo",
        "undone",
        "something-new",
    )
    told = [Line(line, line=kind) for line in lines for kind in kinds]
    assert len(fold(told).lines) == len(told)


def test_two_writers_never_share_a_journal(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as first:
        first.write("begin", command="relocate")
        with pytest.raises(JournalError) as caught:
            opened(tmp_path)
        assert "another hcp-dr process on this machine is writing it" in caught.value.what
        assert caught.value.left_as == "Nothing of the hosted cluster was changed by this command."
        assert journal.read(tmp_path) == first.story, "reading needs no lock"
    with closing(opened(tmp_path)) as second:
        assert second.story.command == "relocate"


def test_a_folder_without_a_journal_tells_no_story(tmp_path: Path) -> None:
    assert journal.read(tmp_path) is None
    assert journal.read(tmp_path / "missing") is None
    (tmp_path / "file").write_text("")
    assert journal.read(tmp_path / "file") is None


@pytest.mark.parametrize("broken", [Path("missing"), Path("file")])
def test_a_journal_that_cannot_be_opened_is_an_error_of_its_own(tmp_path: Path, broken: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError) as caught:
        opened(tmp_path / broken)
    assert str(tmp_path / broken / FILE_NAME) in caught.value.what


def test_a_journal_that_cannot_be_written_is_an_error_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with closing(opened(tmp_path)) as writer:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(JournalError) as caught:
            writer.write("intent", step="a")
    assert "No space left on device" in caught.value.what
    assert writer.story.lines == (), "what is not on disk was not said"


def test_a_journal_that_may_not_be_read_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(JournalError):
        journal.read(tmp_path)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_its_place_is_not_followed(tmp_path: Path, *, there: bool) -> None:
    """Whether it leads to what is there, or to what would be made."""
    folder, victim = tmp_path / "folder", tmp_path / "victim"
    folder.mkdir()
    if there:
        victim.write_text("theirs")
    (folder / FILE_NAME).symlink_to(victim)
    for use in (opened, journal.read):
        with pytest.raises(JournalError, match="is a symbolic link, and links are not followed"):
            use(folder)
    assert (victim.read_text() if victim.exists() else None) == ("theirs" if there else None)


def test_another_name_of_it_is_not_written_through(tmp_path: Path) -> None:
    folder, victim = tmp_path / "folder", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("theirs")
    (folder / FILE_NAME).hardlink_to(victim)
    with pytest.raises(JournalError, match="it is a hard link"):
        opened(folder)
    assert victim.read_text() == "theirs"


def test_a_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE_NAME)
    for use in (opened, journal.read):
        with pytest.raises(JournalError, match="is not a regular file"):
            use(tmp_path)


@pytest.mark.parametrize("name", [f"{FILE_NAME}.part", f"{FILE_NAME}.before"])
def test_no_link_beside_it_is_followed_when_another_journal_is_taken(tmp_path: Path, name: str) -> None:
    folder, victim = tmp_path / "folder", tmp_path / "victim"
    folder.mkdir()
    victim.write_text("theirs")
    write_all(folder, LINES)
    before = (folder / FILE_NAME).read_bytes()
    (folder / name).symlink_to(victim)
    with (
        closing(opened(folder)) as writer,
        pytest.raises(JournalError, match="is a symbolic link, and links are not followed"),
    ):
        writer.adopt(b'{"line": "begin"}\n')
    assert (victim.read_text(), (folder / FILE_NAME).read_bytes()) == ("theirs", before)


def test_a_journal_that_is_taken_replaces_what_a_crash_left(tmp_path: Path) -> None:
    write_all(tmp_path, LINES)
    before = (tmp_path / FILE_NAME).read_bytes()
    (tmp_path / f"{FILE_NAME}.part").write_text("half of ano")
    with closing(opened(tmp_path)) as writer:
        writer.adopt(b'{"line": "begin", "command": "abort"}\n')
        writer.write("step", step="a")
        assert writer.data() == (tmp_path / FILE_NAME).read_bytes()
    assert (story := journal.read(tmp_path)) is not None
    assert [line["line"] for line in story.lines] == ["begin", "step"]
    assert (tmp_path / f"{FILE_NAME}.before").read_bytes() == before
    assert not (tmp_path / f"{FILE_NAME}.part").exists()


def raw(folder: Path) -> list[bytes]:
    return (folder / FILE_NAME).read_bytes().splitlines(keepends=True)


def test_a_torn_line_is_gone_when_the_journal_goes_on(tmp_path: Path) -> None:
    write_all(tmp_path, LINES[:2])
    whole = raw(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"".join(whole) + whole[-1][:20])
    write_all(tmp_path, LINES[2:3])
    assert raw(tmp_path)[:2] == whole
    assert len(raw(tmp_path)) == 3


def test_a_whole_last_line_that_lacks_its_line_feed_counts(tmp_path: Path) -> None:
    write_all(tmp_path, LINES[:2])
    (tmp_path / FILE_NAME).write_bytes(b"".join(raw(tmp_path))[:-1])
    write_all(tmp_path, LINES[2:3])
    assert (story := journal.read(tmp_path)) is not None
    assert len(story.lines) == 3


DAMAGE: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "an interior line cannot be read": (
        lambda lines: [*lines[:1], lines[1][:20] + b"\n", *lines[2:]],
        "its line 2 cannot",
    ),
    "a line is lost": (lambda lines: [*lines[:1], *lines[2:]], "its line 2 does not follow the lines before it"),
    "the first line is lost": (lambda lines: lines[1:], "its line 1 does not follow"),
    "a line is edited": (
        lambda lines: [*lines[:2], lines[2].replace(b"abc", b"abd"), *lines[3:]],
        "its line 3 does not follow the lines before it",
    ),
    "the last line is edited": (
        lambda lines: [*lines[:-1], lines[-1].replace(b'"at": ', b'"at": 1')],
        f"its line {len(LINES)} does not follow",
    ),
    "two lines are exchanged": (
        lambda lines: [*lines[:1], lines[2], lines[1], *lines[3:]],
        "its line 2 does not follow",
    ),
    "a line is added": (lambda lines: [*lines, b'{"at": 1, "line": "end"}\n'], f"its line {len(LINES) + 1} does not"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_line_is_named(tmp_path: Path, damage: str) -> None:
    change, told = DAMAGE[damage]
    write_all(tmp_path, LINES)
    damaged = b"".join(change(raw(tmp_path)))
    (tmp_path / FILE_NAME).write_bytes(damaged)
    for read in (journal.read, opened):
        with pytest.raises(JournalError) as caught:
            read(tmp_path)
        assert told in caught.value.what
    assert (tmp_path / FILE_NAME).read_bytes() == damaged


def test_the_beginning_of_a_journal_is_a_journal(tmp_path: Path) -> None:
    """An older copy, or a mirror that lacks the last lines, is whole as far as it goes."""
    write_all(tmp_path, LINES)
    whole = raw(tmp_path)
    for count in range(len(whole)):
        (tmp_path / FILE_NAME).write_bytes(b"".join(whole[:count]))
        assert journal.read(tmp_path) is not None


def test_a_journal_of_format_1_is_gone_on_with(tmp_path: Path) -> None:
    """Its lines have no digest, and one that a crash tore stands between others."""
    older = [json.dumps({"at": 1.0, **line}).encode() for line in LINES]
    (tmp_path / FILE_NAME).write_bytes(b"\n".join([older[0], b'{"at": 1.0, "li', *older[1:], b""]))
    write_all(tmp_path, [{"line": "resumed", "format": 2}, {"line": "end"}])
    assert (story := journal.read(tmp_path)) is not None
    assert len(story.lines) == len(LINES) + 2
    assert story.ended
    edited = b"".join(raw(tmp_path)).replace(b"abc", b"abd", 1)
    (tmp_path / FILE_NAME).write_bytes(edited)
    with pytest.raises(JournalError, match="does not follow the lines before it"):
        journal.read(tmp_path)


def test_a_newer_format_is_refused_by_an_error_of_its_own(tmp_path: Path) -> None:
    write_all(tmp_path, [{"line": "begin", "command": "relocate", "format": journal.FORMAT + 1, "case": {"new": 1}}])
    for read in (journal.read, opened):
        with pytest.raises(NewerJournal) as caught:
            read(tmp_path)
        assert "format 3; this version supports up to 2" in caught.value.what
        assert caught.value.exit_code == 58


def test_a_journal_that_an_older_version_wrote_is_read(tmp_path: Path) -> None:
    """journals/format-1.jsonl: of a relocation that version 0.1.0 began, before there were formats, and that was killed
    in restore.hosted_cluster."""
    written = (Path(__file__).parent / "journals" / "format-1.jsonl").read_bytes()
    (tmp_path / FILE_NAME).write_bytes(written)
    story = journal.read(tmp_path)
    assert story is not None
    assert (story.command, story.current, len(story.lines)) == ("relocate", "restore.hosted_cluster", 116)
    assert case_of(story.case or {}, tmp_path).backup_id == "shop-302602"
    assert "backup.fence" in story.memory.done
    assert relocation.to_json(story, backup_dir="b")["command"] == "relocate"
    write_all(tmp_path, [{"line": "resumed", "format": journal.FORMAT}])
    assert (tmp_path / FILE_NAME).read_bytes().startswith(written)
    assert (again := journal.read(tmp_path)) is not None
    assert again.memory == story.memory


def test_what_json_turns_into_something_else_is_read_again_as_it_was_digested(tmp_path: Path) -> None:
    """Numbers as keys are ordered otherwise than the texts that they become; a path and a tuple come back otherwise."""
    odd = {10: "ten", 9: tmp_path, 100: (1, 2)}
    write_all(tmp_path, [*LINES, {"line": "remember", "key": "odd", "value": odd}])
    write_all(tmp_path, [{"line": "end"}])
    assert (story := journal.read(tmp_path)) is not None
    assert story.memory.values.get("odd") == {"10": "ten", "9": str(tmp_path), "100": [1, 2]}
