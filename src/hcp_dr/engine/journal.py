"""The journal: an append-only file beside the backup that says what was meant, what came of it, and what to remember.

Each line is one JSON object, flushed to disk before the act it announces. A last line torn by a crash is passed over,
which makes its intent one with an unknown outcome; the next look at the world settles it. Each line has the running
digest of all lines up to it, so that one that was lost or edited is noticed. The line with which a command begins or
resumes has the format's number: 2; journals of format 1 have neither number nor digests, and are read too.
"""

from __future__ import annotations

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
from typing import Any, Protocol

from hcp_dr import disk
from hcp_dr.engine.journal_lines import fault
from hcp_dr.engine.state import Key, Remember, T
from hcp_dr.errors import JournalError, NewerJournal

FILE_NAME = "journal.jsonl"
FORMAT = 2
ABORT = "abort"
"""The command after which no other begins in a folder."""
RESTORE_BY_HAND = "restore-by-hand"
"""The command that begins in a folder which people made."""


@dataclass(frozen=True, slots=True)
class RunState:
    """The journal as the steps see it: values remembered, and the names of steps that were begun, that meant to act,
    that are done, and that are undone (and so not done). Lines are its stored form; `fold` makes one from the other."""

    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    done: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()
    acted: frozenset[str] = frozenset()
    undone: frozenset[str] = frozenset()

    def get(self, key: Key[T]) -> T | None:
        """The value, None where it is not remembered. Raises NotOurs where it has another form."""
        return key.read(self.values)

    def has(self, key: Key[Any]) -> bool:
        return self.values.get(key.name) is not None

    def with_remembered(self, *actions: Remember) -> RunState:
        return reduce(lambda memory, action: memory.with_value(action.key, action.value), actions, self)

    def with_value(self, key: str, value: Any) -> RunState:
        return replace(self, values=MappingProxyType({**self.values, key: value}))

    def with_begun(self, step: str) -> RunState:
        return replace(self, begun=self.begun | {step})

    def with_acted(self, step: str) -> RunState:
        return replace(self, acted=self.acted | {step})

    def with_done(self, step: str) -> RunState:
        return replace(self, done=self.done | {step})

    def with_undone(self, step: str) -> RunState:
        return replace(self, done=self.done - {step}, undone=self.undone | {step})

    def after(self, line: str, values: Mapping[str, Any]) -> RunState:
        """The memory with one line more. Total: other lines change nothing."""
        step = str(values.get("step"))
        match line:
            case "remember":
                return self.with_value(str(values.get("key")), values.get("value"))
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
            case "forget":
                return self.without(values.get("steps") or (), values.get("keys") or ())
            case _:
                return self

    def without(self, steps: Iterable[str], keys: Iterable[str]) -> RunState:
        dropped = frozenset(keys)
        kept = {key: value for key, value in self.values.items() if key not in dropped}
        return replace(self, values=MappingProxyType(kept), done=self.done - frozenset(steps))


@dataclass(frozen=True, slots=True)
class JournalState:
    """What a journal tells when it is read from the start."""

    command: str | None = None
    case: Mapping[str, Any] | None = None
    memory: RunState = field(default_factory=RunState)
    current: str | None = None  # the step that was begun and is not done, or is being undone
    ended: bool = False
    lines: tuple[Mapping[str, Any], ...] = ()
    runs: frozenset[str] = frozenset()  # the words for themselves of all runs that wrote it
    digest: str = ""  # of all lines

    def after(self, line: Mapping[str, Any]) -> JournalState:
        """The story with one line more. Total: an unknown line is kept and changes nothing."""
        memory = self.memory.after(str(line.get("line")), line)
        runs = self.runs | {str(line["by"])} if "by" in line else self.runs
        digest = str(line.get("sum") or digest_after(self.digest, line))
        told = replace(self, lines=(*self.lines, line), memory=memory, runs=runs, digest=digest)
        match line.get("line"):
            case "begin":
                case = line.get("case") or self.case
                return replace(told, command=line.get("command"), case=case, ended=False)
            case "step" | "undo":
                return replace(told, current=line.get("step"))
            case "done" | "undone" | "forget":
                return replace(told, current=None)
            case "end":
                return replace(told, ended=True)
            case _:
                return told

    @property
    def aborted(self) -> bool:
        """An abort was begun: the relocation of this folder is over, or will be when that has ended."""
        return self.command == ABORT

    def acted_in(self, step: str) -> bool:
        """Whether an action of the step was ever begun."""
        lines = [line.get("line") for line in self.lines if line.get("step") == step]
        return lines.count("intent") > lines.count("withdrawn")

    def sealed(self, line: Mapping[str, Any]) -> dict[str, Any]:
        """The line as it is written after those that are there, and as it will be read again: what JSON turns into
        something else is turned before it is digested."""
        written: dict[str, Any] = json.loads(json.dumps(line, default=str))
        return {**written, "sum": digest_after(self.digest, written)}

    def seconds_of_steps(self) -> dict[str, float]:
        """Step to seconds, for steps that are done."""
        return {str(line["step"]): float(line["seconds"]) for line in self.lines if line.get("line") == "done"}


def fold(lines: Iterable[Mapping[str, Any]]) -> JournalState:
    return reduce(JournalState.after, lines, JournalState())


def parse(data: bytes) -> list[Mapping[str, Any]]:
    """The lines of a journal file that can be read."""
    return [line for raw in data.split(b"\n") if (line := _object(raw)) is not None]


def _object(raw: bytes) -> Mapping[str, Any] | None:
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _broken(data: bytes) -> str | None:
    """Which line of a journal file is not what was written after the lines before it, None where all are. What ends
    without a line feed was torn by a crash. Lines of format 1 cannot be told from others."""
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


def digest_after(digest: str, line: Mapping[str, Any]) -> str:
    """The running digest with one line more; `digest` is that of the lines before, "" where there are none."""
    text = json.dumps({key: value for key, value in line.items() if key != "sum"}, sort_keys=True)
    return hashlib.sha256(f"{digest}{text}".encode()).hexdigest()[:32]


def parse_journal(data: bytes, where: Path | str) -> JournalState:
    """The story of a journal's file, which is a path, or words for what is in the bucket. Raises NewerJournal, and
    JournalError where a line holds what was never written."""
    lines = parse(data)
    newest = max((line["format"] for line in lines if isinstance(line.get("format"), int)), default=1)
    if newest > FORMAT:
        raise NewerJournal(path=where, format=newest, ours=FORMAT)
    reason = fault(lines) or _broken(data)
    if reason is not None:
        raise JournalError(
            path=where,
            reason=reason,
            left="Nothing of the hosted cluster was changed by this command.",
            todo=f"Move it away, and go on with its copy in the bucket: `hcp-dr resume --backup {where.parent}`."
            if isinstance(where, Path)
            else "Go on where it was written, or bring that folder here and name it with --backup.",
        )
    return fold(lines)


class JournalWriter(Protocol):
    """Where a run writes, and reads what it remembers."""

    @property
    def memory(self) -> RunState: ...

    def write(self, line: str, **values: object) -> None:
        """Append one line; it counts from the moment this returns."""
        ...


def keep(journal: JournalWriter, *actions: Remember) -> None:
    """Write into the journal what is to be remembered."""
    for action in actions:
        journal.write("remember", key=action.key, value=action.value)


class Mirrored(Protocol):
    """A journal, as far as it is mirrored."""

    @property
    def story(self) -> JournalState: ...

    def data(self) -> bytes:
        """All its lines, as a file holds them."""
        ...


class OpenJournal(JournalWriter, Mirrored, Protocol):
    """A journal that outlives the process, open for appending."""

    def adopt(self, data: bytes) -> None:
        """Go on from the lines that the mirror has. Raises JournalError."""
        ...

    def close(self) -> None: ...


class Journal:
    """The file, open for appending. One writer at a time: the file is locked while it is open."""

    def __init__(self, folder: Path, *, now: Callable[[], float]) -> None:
        self.path = folder / FILE_NAME
        self._now = now
        with _mapped(self.path):
            self._handle = _opened(folder)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise JournalError(
                path=self.path,
                reason="another hcp-dr on this machine is writing it now",
                left="Nothing of the hosted cluster was changed by this command.",
                todo="Wait until that one ends, or look at it with `hcp-dr status`.",
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
        """The file as it is."""
        with _mapped(self.path):
            return os.pread(self._handle, os.fstat(self._handle).st_size, 0)

    def adopt(self, data: bytes) -> None:
        """Go on from what the mirror has; what was in the file is kept beside it."""
        story = parse_journal(data, "in the bucket")
        before, folder = self.data(), self.path.parent
        with _mapped(self.path):
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
        record = self.story.sealed({"at": round(self._now(), 3), "line": line, **values})
        self._append(json.dumps(record, sort_keys=True).encode() + b"\n")
        self.story = self.story.after(record)

    def _end_line(self) -> None:
        """A last line that was torn by a crash goes; one that lacks its line feed only gets it."""
        tail = self.data().rpartition(b"\n")[2]
        if tail and _object(tail) is not None:
            self._append(b"\n")
        elif tail:
            with _mapped(self.path):
                os.ftruncate(self._handle, os.fstat(self._handle).st_size - len(tail))
                os.fsync(self._handle)

    def _append(self, data: bytes) -> None:
        with _mapped(self.path):
            _put(self._handle, data)

    def close(self) -> None:
        os.close(self._handle)


def _opened(folder: Path) -> int:
    """The file, a new one where there is none. It is written where it is, so that it must have no other name."""
    with disk.open_folder(folder) as root:
        handle = disk.open_file(root, FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            if os.fstat(handle).st_nlink != 1:
                raise disk.UnsafeFileError("it is a hard link: what is written to it would stand in another file too")
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
    """The story of a backup folder, None where it has no journal. Reads only."""
    with _mapped(folder / FILE_NAME):
        try:
            data = disk.read(folder, FILE_NAME)
        except NotADirectoryError:
            return None
        return None if data is None else parse_journal(data, folder / FILE_NAME)


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        todo = "Make the folder writable, with room on its disk, then run `hcp-dr resume`."
        if isinstance(error, disk.UnsafeFileError):
            todo = "Find out who made it so, and put a regular file of your own there, or name another folder."
        raise JournalError(path=path, reason=error.strerror or str(error), todo=todo) from error
