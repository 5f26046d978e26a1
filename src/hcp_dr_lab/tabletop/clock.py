"""The clock of the tabletop: nothing sleeps, time jumps to whoever has something to do next."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

NEVER = math.inf
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
_MOST_TURNS_AT_ONCE = 10_000


class Part(Protocol):
    """Something in the region that acts by itself."""

    def due(self) -> float:
        """When it wants its next turn, in seconds of the clock; what is past means at once, NEVER not by itself."""
        ...

    def turn(self) -> None:
        """Act once. No time passes meanwhile."""
        ...


class Clock:
    """Seconds since the world began. Time passes only in `pass_until`, turn by turn; within a turn it stands still."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.parts: list[Part] = []
        self._turning = False
        self._next = 0.0  # before which nobody is due, if nothing was changed

    def now(self) -> float:
        return self.seconds

    def date(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.seconds)

    def epoch(self) -> float:
        """Seconds since 1970, as the product's journal has them."""
        return BEGINNING.timestamp() + self.seconds

    def spend(self, seconds: float) -> None:
        self.pass_until(self.seconds + seconds)

    def idle(self, seconds: float) -> None:
        """As `spend`, where nothing was changed since time passed last: nobody is asked whether he is due sooner."""
        if self.seconds + seconds < self._next:
            self.seconds += seconds
        else:
            self.spend(seconds)

    def stir(self) -> None:
        """Something was changed: whoever is concerned may be due at once."""
        self._next = 0.0

    def pass_until(self, until: float, reached: Callable[[], bool] | None = None) -> bool:
        """Let every part have its turns up to a moment, or until something is reached; whether it was."""
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
                raise RuntimeError(f"{type(first).__name__} never comes to rest at {self.seconds:.3f} s")
            self.seconds = max(self.seconds, due)
            first.turn()
            if reached is not None and reached():
                self._next = 0.0
                return True
