"""The journal: an append-only file beside the backup that says what was meant, what came of it, and what to remember.

Each line is one JSON object, flushed to disk before the act it announces. Reading is total: a line torn by a crash is
passed over, which makes its intent one with an unknown outcome; the next look at the world settles it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hcp_dr.errors import JournalError

FILE_NAME = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Memory:
    """The journal as the steps see it: values remembered, and the names of steps that are done. Lines are its stored
    form; `fold` makes one from the other."""

    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    done: frozenset[str] = frozenset()

    def text(self, key: str) -> str | None:
        value = self.values.get(key)
        return None if value is None else str(value)

    def mapping(self, key: str) -> Mapping[str, Any] | None:
        value = self.values.get(key)
        return dict(value) if isinstance(value, Mapping) else None

    def with_value(self, key: str, value: Any) -> Memory:
        return Memory(MappingProxyType({**self.values, key: value}), self.done)

    def with_done(self, step: str) -> Memory:
        return Memory(self.values, self.done | {step})

    def without(self, steps: Iterable[str], keys: Iterable[str]) -> Memory:
        dropped = frozenset(keys)
        kept = {key: value for key, value in self.values.items() if key not in dropped}
        return Memory(MappingProxyType(kept), self.done - frozenset(steps))


@dataclass(frozen=True, slots=True)
class Story:
    """What a journal tells when it is read from the start."""

    command: str | None = None
    case: Mapping[str, Any] | None = None
    memory: Memory = field(default_factory=Memory)
    current: str | None = None  # the step that was begun and is not done
    ended: bool = False
    lines: tuple[Mapping[str, Any], ...] = ()

    def after(self, line: Mapping[str, Any]) -> Story:
        """The story with one line more. Total: an unknown line is kept and changes nothing."""
        told = replace(self, lines=(*self.lines, line))
        match line.get("line"):
            case "begin":
                case = line.get("case") or self.case
                return replace(told, command=line.get("command"), case=case, ended=False)
            case "step":
                return replace(told, current=line.get("step"))
            case "remember":
                return replace(told, memory=self.memory.with_value(str(line.get("key")), line.get("value")))
            case "done":
                return replace(told, memory=self.memory.with_done(str(line.get("step"))), current=None)
            case "forget":
                memory = self.memory.without(line.get("steps") or (), line.get("keys") or ())
                return replace(told, memory=memory, current=None)
            case "end":
                return replace(told, ended=True)
            case _:
                return told

    def seconds_of_steps(self) -> dict[str, float]:
        """Step to seconds, for steps that are done."""
        return {str(line["step"]): float(line["seconds"]) for line in self.lines if line.get("line") == "done"}


def fold(lines: Iterable[Mapping[str, Any]]) -> Story:
    return reduce(Story.after, lines, Story())


def parse(data: bytes) -> list[Mapping[str, Any]]:
    """The lines of a journal file; a torn line is passed over."""
    lines: list[Mapping[str, Any]] = []
    for raw in data.split(b"\n"):
        try:
            value = json.loads(raw)
        except ValueError:
            continue
        if isinstance(value, dict):
            lines.append(value)
    return lines


class Journal:
    """The file, open for appending. One writer at a time: the file is locked while it is open."""

    def __init__(self, folder: Path, *, now: Callable[[], float]) -> None:
        self.path = folder / FILE_NAME
        self._now = now
        with _mapped(self.path):
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._handle)
            raise JournalError(
                path=self.path,
                reason="another hcp-dr on this machine is writing it now",
                left="Nothing was changed by this command.",
                todo="Wait until that one ends, or look at it with `hcp-dr status`.",
            ) from None
        data = self.path.read_bytes()
        if data and not data.endswith(b"\n"):
            self._append(b"\n")
        self.story = fold(parse(data))

    @property
    def memory(self) -> Memory:
        return self.story.memory

    def write(self, line: str, **values: Any) -> None:
        """Append one line and flush it to disk before returning."""
        record = {"at": round(self._now(), 3), "line": line, **values}
        self._append(json.dumps(record, sort_keys=True, default=str).encode() + b"\n")
        self.story = self.story.after(record)

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        with _mapped(self.path):
            while view:
                view = view[os.write(self._handle, view) :]
            os.fsync(self._handle)

    def close(self) -> None:
        os.close(self._handle)


def read(folder: Path) -> Story | None:
    """The story of a backup folder, None where it has no journal. Reads only."""
    path = folder / FILE_NAME
    with _mapped(path):
        try:
            return fold(parse(path.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return None


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(
            path=path,
            reason=error.strerror or str(error),
            todo="Make the folder writable, with room on its disk, then run `hcp-dr resume`.",
        ) from error
