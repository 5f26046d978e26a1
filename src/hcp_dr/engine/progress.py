"""What a run tells to whoever started it, and where it writes when it has no journal."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing worth telling: kind is begin, act, wait, done, again, warned, refused or note."""

    kind: str
    step: str
    text: str
    seconds: float = 0.0


class NullJournal:
    """Where the run writes: the journal's file, or nothing but memory (for verbs that change nothing)."""

    def __init__(self, memory: RunState | None = None) -> None:
        self.memory = memory or RunState()

    def write(self, line: str, **values: object) -> None:
        self.memory = self.memory.after(line, values)
