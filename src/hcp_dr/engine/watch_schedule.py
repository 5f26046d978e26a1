"""When the watches of a run are looked at: between the rounds of its steps, never more often than is cheap, and ever
more seldom while what they look at does not answer. A watch that cannot be kept holds nothing up, and is told of."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hcp_dr.engine.step import Check
from hcp_dr.engine.wait import LOOK_AGAIN

SELDOM = 60.0
"""Seconds between two looks at what has not answered for long."""
PATIENCE = 20.0
"""Seconds for which a watch tries again by itself; then the step goes on, and the watch is looked at later."""


@dataclass(slots=True)
class WatchSchedule:
    """One watch of one run, by the engine's clock in seconds."""

    next: float = -math.inf
    blind_since: float | None = None
    why: str = ""

    def saw(self, now: float) -> bool:
        """It could be looked at. Tells whether it could not before."""
        was_blind, self.blind_since, self.next = self.blind_since is not None, None, now + LOOK_AGAIN
        return was_blind

    def missed(self, now: float, why: str) -> bool:
        """It could not be looked at, or not be put right. Tells whether it could before."""
        first, self.why = self.blind_since is None, why
        self.blind_since = now if self.blind_since is None else self.blind_since
        self.next = now + min(max(now - self.blind_since, LOOK_AGAIN), SELDOM)
        return first

    def describe(self, name: str, now: float) -> tuple[Check, ...]:
        if self.blind_since is None:
            return ()
        return (
            Check(
                name,
                "warning",
                f"not watched for the last {now - self.blind_since:.0f} s: {self.why}",
                "what happened there meanwhile is not known",
                "look there yourself; the next command looks again",
            ),
        )
