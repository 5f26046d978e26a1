"""How long a step waits. The limit counts from the last sign of the awaited client, where the step can read signs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hcp_dr.engine.step import Step, Wait
from hcp_dr.errors import HcpDrError
from hcp_dr.model import Case, Ports

MOST = 6
"""No wait takes longer than this many times its limit, whatever signs there are."""


def read_sign(step: Step[Any], ports: Ports, case: Case) -> str:
    """Empty if the step has none, or the client's cluster does not answer."""
    try:
        return step.sign(ports, case) if step.sign else ""
    except HcpDrError:
        return ""


@dataclass(slots=True)
class Waiting:
    """A wait in progress. `sign` and `seen` are those at `active`."""

    began: float
    active: float
    sign: str
    seen: str

    def left(self, wait: Wait, now: float) -> float:
        return wait.limit - (now - self.active)

    def describe(self, wait: Wait) -> str:
        return f"{wait.seen}; {self.sign}" if self.sign else wait.seen

    def is_over(self, wait: Wait, now: float, read_sign: Callable[[], str]) -> bool:
        """After the limit, a new sign lets the limit begin again. An outcome that is not an error is not put off."""
        if self.left(wait, now) > 0:
            return False
        if wait.then is not None or now - self.began >= MOST * wait.limit:
            return True
        sign = read_sign()
        if not sign or (sign, wait.seen) == (self.sign, self.seen):
            return True
        self.active, self.sign, self.seen = now, sign, wait.seen
        return False
