"""The clock of the tabletop: no part sleeps; time jumps to the next turn of a part."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

NEVER = math.inf
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
_MOST_TURNS_AT_ONCE = 10_000


class Part(Protocol):
    """A part of the region that acts by itself."""

    def due(self) -> float:
        """Return the time of the next turn, in seconds of the clock; a past time means at once, NEVER means no turn."""
        ...

    def turn(self) -> None:
        """Act once. No time passes during a turn."""
        ...


class Clock:
    """Seconds since the start of the world. Time passes only in `pass_until`, between turns; never within a turn."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.parts: list[Part] = []
        self._turning = False
        self._next = 0.0  # no part is due before this time, unless something changed

    def now(self) -> float:
        return self.seconds

    def date(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.seconds)

    def epoch(self) -> float:
        """Seconds since 1970, as in the product's journal."""
        return BEGINNING.timestamp() + self.seconds

    def spend(self, seconds: float) -> None:
        self.pass_until(self.seconds + seconds)

    def idle(self, seconds: float) -> None:
        """Like `spend`, if nothing changed since time passed last: the parts' due times are not read again."""
        if self.seconds + seconds < self._next:
            self.seconds += seconds
        else:
            self.spend(seconds)

    def stir(self) -> None:
        """Report a change: affected parts may be due at once."""
        self._next = 0.0

    def pass_until(self, until: float, reached: Callable[[], bool] | None = None) -> bool:
        """Run the parts' turns until a time, or until `reached` returns true; return whether it did."""
        if self._turning or (reached is not None and reached()):
            return not self._turning
        self._turning = True
        try:
            return self._pass(until, reached)
        finally:
            self._turning = False

    def _pass(self, until: float, reached: Callable[[], bool] | None) -> bool:
        turns = 0
        while True:
            first, due = None, NEVER
            for part in self.parts:
                wanted = part.due()
                if wanted < due:
                    first, due = part, wanted
            if first is None or due > until:
                self.seconds, self._next = max(self.seconds, until), due
                return False
            turns = turns + 1 if due <= self.seconds else 0
            if turns > _MOST_TURNS_AT_ONCE:
                raise RuntimeError(f"{type(first).__name__} does not settle at {self.seconds:.3f} s")
            self.seconds = max(self.seconds, due)
            first.turn()
            if reached is not None and reached():
                self._next = 0.0
                return True
