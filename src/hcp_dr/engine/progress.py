"""What a run reports to its caller, and the journal of a run without a file."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.journal_lines import Line
from hcp_dr.hiding import safe


@dataclass(frozen=True, slots=True)
class Progress:
    """One event of a run: kind is begin, act, wait, done, again, warned, refused or note."""

    kind: str
    step: str
    text: str
    seconds: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", safe(self.text))


class NullJournal:
    """A journal in memory only, for commands that change nothing."""

    def __init__(self, memory: RunState | None = None) -> None:
        self.memory = memory or RunState()

    def write(self, line: str, **values: object) -> None:
        self.memory = self.memory.after(Line.of(line, values))
