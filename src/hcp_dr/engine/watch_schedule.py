"""When the watches of a run are evaluated: between the rounds of its steps, at a low cost, and less and less often
while their target does not answer. A watch that cannot be evaluated does not block the step, and is reported."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hcp_dr.engine.step import Check
from hcp_dr.engine.wait import OBSERVE_INTERVAL

MAX_INTERVAL = 60.0
"""Seconds between two evaluations of a target that has not answered for long."""
PATIENCE = 20.0
"""Seconds for which a watch retries by itself; then the step continues, and the watch is evaluated later."""


@dataclass(slots=True)
class WatchSchedule:
    """One watch of one run, by the engine's clock in seconds."""

    next: float = -math.inf
    blind_since: float | None = None
    why: str = ""

    def record_success(self, now: float) -> bool:
        """Record a successful evaluation. Returns whether the last one failed."""
        was_blind, self.blind_since, self.next = self.blind_since is not None, None, now + OBSERVE_INTERVAL
        return was_blind

    def record_failure(self, now: float, why: str) -> bool:
        """Record a failed evaluation or correction. Returns whether the last one succeeded."""
        first, self.why = self.blind_since is None, why
        self.blind_since = now if self.blind_since is None else self.blind_since
        self.next = now + min(max(now - self.blind_since, OBSERVE_INTERVAL), MAX_INTERVAL)
        return first

    def describe(self, name: str, now: float) -> tuple[Check, ...]:
        if self.blind_since is None:
            return ()
        return (
            Check(
                name,
                "warning",
                f"not watched for the last {now - self.blind_since:.0f} s: {self.why}",
                "changes there during that time are unknown",
                "check it yourself; the next command evaluates the watch again",
            ),
        )
