"""The journal: an append-only file beside the backup with intents, outcomes, and values to remember.

Each line is one JSON object, flushed to disk before the act it announces. A last line torn by a crash is skipped: its
intent has an unknown outcome, and the next observation settles it. Each line has the running digest of all lines so
far, so that a lost or edited line is detected. The line that begins or resumes a command has the format number, 2;
journals of format 1 have neither number nor digests, and can be read too.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from hcp_dr import disk
from hcp_dr.engine.journal_lines import Json, Line, find_fault
from hcp_dr.engine.state import Key, Remember, T
from hcp_dr.errors import JournalError, NewerJournal
from hcp_dr.hiding import safe

FILE_NAME = "journal.jsonl"
FORMAT = 2
_DIGITS = 10
"""More digits than the number of lines of any journal."""
ABORT = "abort"
"""The command after which no other command begins in a folder."""
RESTORE_BY_HAND = "restore-by-hand"
"""The command that begins in a backup folder made with the documented commands."""


@dataclass(frozen=True, slots=True)
class RunState:
    """The journal as the steps see it: remembered values, accepted findings, and the names of steps begun, announced to
    act, done, and undone (and so not done). Lines are the stored form; `fold` turns lines into this."""

    values: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))
    done: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()
    acted: frozenset[str] = frozenset()
    undone: frozenset[str] = frozenset()
    accepted: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # checks: the accepted finding

    def get(self, key: Key[T]) -> T | None:
        """The value, None if there is none. Raises NotOurs for a value of another form."""
        return key.read(self.values)

    def has(self, key: Key[str] | Key[T]) -> bool:
        return self.values.get(key.name) is not None

    def with_remembered(self, *actions: Remember) -> RunState:
        return reduce(lambda memory, action: memory.with_value(action.key, action.value), actions, self)

    def with_value(self, key: str, value: Json) -> RunState:
        return replace(self, values=MappingProxyType({**self.values, key: value}))

    def with_begun(self, step: str) -> RunState:
        return replace(self, begun=self.begun | {step})

    def with_acted(self, step: str) -> RunState:
        return replace(self, acted=self.acted | {step})

    def with_done(self, step: str) -> RunState:
        return replace(self, done=self.done | {step})

    def with_undone(self, step: str) -> RunState:
        return replace(self, done=self.done - {step}, undone=self.undone | {step})

    def after(self, line: Line) -> RunState:
        """The state after one more line. Total: other lines change nothing."""
        step = str(line.step)
        match line.kind:
            case "remember":
                return self.with_value(str(line.get("key")), line.get("value"))
            case "step":
                return self.with_begun(step)
            case "intent":
                return self.with_acted(step)
            case "withdrawn":
                return replace(self, acted=self.acted - {step})
            case "done":
                return self.with_done(step)
            case "undone":
                return self.with_undone(step)
            case "accepted":
                seen = {str(line.get("check")): str(line.get("seen"))}
                return replace(self, accepted=MappingProxyType({**self.accepted, **seen}))
            case "forget":
                return self.without(line.texts("steps"), line.texts("keys"))
            case _:
                return self

    def without(self, steps: Iterable[str], keys: Iterable[str]) -> RunState:
        dropped = frozenset(keys)
        values = {key: value for key, value in self.values.items() if key not in dropped}
        return replace(self, values=MappingProxyType(values), done=self.done - frozenset(steps))


@dataclass(frozen=True, slots=True)
class JournalState:
    """The content of a journal, read from the start."""

    command: str | None = None
    case: Mapping[str, Json] | None = None
    memory: RunState = field(default_factory=RunState)
    current: str | None = None  # the step begun but not done, or now being undone
    ended: bool = False
    lines: tuple[Line, ...] = ()
    runs: frozenset[str] = frozenset()  # the identities of all runs that wrote the journal
    digest: str = ""  # of all lines
    manifest: str = ""  # the sha256 of the backup's manifest, "" if there is none

    def after(self, line: Line) -> JournalState:
        """The state after one more line. Total: an unknown line is kept and changes nothing."""
        memory = self.memory.after(line)
        runs = self.runs | {str(line["by"])} if "by" in line else self.runs
        digest = line.text("sum") or digest_after(self.digest, line)
        state = replace(self, lines=(*self.lines, line), memory=memory, runs=runs, digest=digest)
        match line.kind:
            case "begin":
                return replace(state, command=line.text("command"), case=line.case or self.case, ended=False)
            case "step" | "undo":
                return replace(state, current=line.step)
            case "done" | "undone" | "forget":
                return replace(state, current=None)
            case "end":
                return replace(state, ended=True)
            case "manifest":
                return replace(state, manifest=line.text("sha256") or "")
            case _:
                return state

    def of_kind(self, *kinds: str) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.kind in kinds)

    @property
    def mark(self) -> str:
        """The number of lines and their digest: a later state of this journal `contains` it."""
        return f"{len(self.lines)}:{self.digest}"

    def contains(self, mark: str) -> bool:
        """Whether this journal begins with the lines of the journal that had this mark."""
        number, _, digest = mark.partition(":")
        if not (number.isascii() and number.isdecimal() and len(number) < _DIGITS):
            return False
        if not 0 < int(number) <= len(self.lines):
            return False
        return digest == (self.lines[int(number) - 1].text("sum") or fold(self.lines[: int(number)]).digest)

    @property
    def aborted(self) -> bool:
        """An abort was begun: the relocation of this folder is over, or will be at the end of the abort."""
        return self.command == ABORT

    def acted_in(self, step: str) -> bool:
        """Whether an action of the step was ever begun."""
        lines = [line.kind for line in self.lines if line.step == step]
        return lines.count("intent") > lines.count("withdrawn")

    def seal(self, line: Mapping[str, object]) -> Line:
        """The line to append, with its digest, exactly as a reader will parse it: values are converted to JSON before
        the digest is computed. Texts contain no secret; a remembered value is kept exactly, an undo needs it."""
        written = Line(json.loads(json.dumps(line, default=str)))
        written = written if written.kind == "remember" else Line(safe(written))
        return Line(written, sum=digest_after(self.digest, written))

    def seconds_of_steps(self) -> dict[str, float]:
        """Seconds by step, for steps that are done."""
        return {str(line.step): line.seconds for line in self.of_kind("done")}


def fold(lines: Iterable[Line]) -> JournalState:
    return reduce(JournalState.after, lines, JournalState())


def parse(data: bytes) -> list[Line]:
    """The readable lines of a journal file."""
    return [line for _, line in _numbered(data)]


def _numbered(data: bytes) -> list[tuple[int, Line]]:
    raws = enumerate(data.split(b"\n"), 1)
    return [(number, line) for number, raw in raws if (line := _object(raw)) is not None]


def _object(raw: bytes) -> Line | None:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return Line(value) if isinstance(value, dict) else None


def _find_broken_line(data: bytes) -> str | None:
    """The fault of the first line that does not follow the lines before it, None if there is none. Text without a final
    line feed was torn by a crash. Lines of format 1 have no digest to verify."""
    *raws, _ = data.split(b"\n")
    digest, chained = "", False
    for number, raw in enumerate(raws, 1):
        line = _object(raw)
        if line is None:
            if raw and chained:
                return f"its line {number} cannot be read"
            continue
        digest = digest_after(digest, line)
        if ("sum" in line or chained) and line.get("sum") != digest:
            return f"its line {number} does not follow the lines before it: a line was lost or edited"
        chained = "sum" in line
    return None


def digest_after(digest: str, line: Line) -> str:
    """The running digest after one more line; `digest` is that of the lines before, "" for the first line."""
    text = json.dumps({key: value for key, value in line.items() if key != "sum"}, sort_keys=True)
    return hashlib.sha256(f"{digest}{text}".encode()).hexdigest()[:32]


def parse_journal(data: bytes, where: Path | str) -> JournalState:
    """The content of a journal file. `where` is its path, or a description of the object in the bucket. Raises
    NewerJournal, and JournalError for a line that hcp-dr never wrote."""
    numbered = _numbered(data)
    lines = [line for _, line in numbered]
    newest = max((number for line in lines if isinstance(number := line.get("format"), int)), default=1)
    if newest > FORMAT:
        raise NewerJournal(path=where, format=newest, ours=FORMAT)
    reason = find_fault(numbered) or _find_broken_line(data)
    if not lines and data.rpartition(b"\n")[0].strip():
        reason = "it contains no line of hcp-dr"
    if reason is not None:
        raise JournalError(
            path=where,
            reason=reason,
            left="Nothing of the hosted cluster was changed by this command.",
            todo="Move it away, and continue with its copy in the bucket: `hcp-dr resume`."
            if isinstance(where, Path)
            else "Continue on the machine that wrote it, or copy its folder here and pass it with --backup.",
        )
    return fold(lines)


class JournalWriter(Protocol):
    """The journal of a run: written line by line; also the source of remembered values."""

    @property
    def memory(self) -> RunState: ...

    def write(self, line: str, **values: object) -> None:
        """Append one line. It is durable when this returns."""
        ...


def keep(journal: JournalWriter, *actions: Remember) -> None:
    """Write the values to remember into the journal."""
    for action in actions:
        journal.write("remember", key=action.key, value=action.value)


class Mirrored(Protocol):
    """The part of a journal needed by its mirror."""

    @property
    def story(self) -> JournalState: ...

    def data(self) -> bytes:
        """All lines, as in the file."""
        ...


class OpenJournal(JournalWriter, Mirrored, Protocol):
    """A journal, open for appending, that outlives the process."""

    def adopt(self, data: bytes) -> None:
        """Continue from the lines of the mirror. Raises JournalError."""
        ...

    def close(self) -> None: ...


class Journal:
    """The file, open for appending. One writer at a time: the file is locked while open."""

    def __init__(self, folder: Path, *, now: Callable[[], float]) -> None:
        self.path = folder / FILE_NAME
        self._now = now
        with _translate_errors(self.path):
            self._handle = _open(folder)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise JournalError(
                path=self.path,
                reason="another hcp-dr process on this machine is writing it",
                left="Nothing of the hosted cluster was changed by this command.",
                todo="Wait until that process ends. Follow it with `hcp-dr status`.",
            ) from None
        try:
            self.story = parse_journal(self.data(), self.path)
            self._end_line()
        except BaseException:
            os.close(self._handle)
            raise

    @property
    def memory(self) -> RunState:
        return self.story.memory

    def data(self) -> bytes:
        """The content of the file."""
        with _translate_errors(self.path):
            size = os.fstat(self._handle).st_size
            if size > disk.MAX_BYTES:
                raise OSError(errno.EFBIG, f"it is larger than {disk.MAX_BYTES // 1024**2} MiB")
            return os.pread(self._handle, size, 0)

    def adopt(self, data: bytes) -> None:
        """Continue from the content of the mirror; the previous content of the file is kept beside it."""
        story = parse_journal(data, "in the bucket")
        before, folder = self.data(), self.path.parent
        with _translate_errors(self.path):
            if before:
                disk.write(folder, f"{FILE_NAME}.before", before)
            with disk.open_folder(folder) as root:
                handle = disk.create_part(root, FILE_NAME)
                _put(handle, data)
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                disk.rename_part(root, FILE_NAME)
        os.close(self._handle)
        self._handle = handle
        self._end_line()
        self.story = story

    def write(self, line: str, **values: object) -> None:
        """Append one line and flush it to disk before returning."""
        record = self.story.seal({"at": round(self._now(), 3), "line": line, **values})
        self._append(json.dumps(record, sort_keys=True).encode() + b"\n")
        self.story = self.story.after(record)

    def _end_line(self) -> None:
        """Remove a last line torn by a crash; add a missing line feed to a complete last line."""
        tail = self.data().rpartition(b"\n")[2]
        if tail and _object(tail) is not None:
            self._append(b"\n")
        elif tail:
            with _translate_errors(self.path):
                os.ftruncate(self._handle, os.fstat(self._handle).st_size - len(tail))
                os.fsync(self._handle)

    def _append(self, data: bytes) -> None:
        with _translate_errors(self.path):
            _put(self._handle, data)

    def close(self) -> None:
        os.close(self._handle)


def _open(folder: Path) -> int:
    """Open the file, create it if missing. Writes are in place, so the file must have no other name."""
    with disk.open_folder(folder) as root:
        handle = disk.open_file(root, FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            if os.fstat(handle).st_nlink != 1:
                raise disk.UnsafeFileError("it is a hard link: every write would change another file too")
            disk.sync_folder(root)
        except BaseException:
            os.close(handle)
            raise
        return handle


def _put(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
    os.fsync(handle)


def read(folder: Path) -> JournalState | None:
    """The content of the journal in a backup folder, None if there is no journal. Reads only."""
    with _translate_errors(folder / FILE_NAME):
        try:
            data = disk.read(folder, FILE_NAME)
        except NotADirectoryError:
            return None
        return None if data is None else parse_journal(data, folder / FILE_NAME)


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        todo = "Make the folder writable, with room on its disk, then run `hcp-dr resume`."
        if isinstance(error, disk.UnsafeFileError):
            todo = "Find out how it was made, and replace it with a regular file of your own, or name another folder."
        raise JournalError(path=path, reason=error.strerror or str(error), todo=todo) from error
