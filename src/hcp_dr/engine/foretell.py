"""Says what a step would do, by planning over foreseen facts, and performs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Do, Done, Refuse, Step, Wait, describe_all
from hcp_dr.errors import HcpDrError
from hcp_dr.model import Case, Ports

_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """`decision` is do, wait, done, refuse or unknown; `text` says why; `actions` in the order of their rounds."""

    name: str
    documented: str
    decision: str
    text: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the time, in seconds, and what it was reckoned from."""

    name: str
    least: float
    most: float
    because: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """The parts follow each other."""

    parts: tuple[Part, ...]
    not_known: tuple[str, ...]

    @property
    def least(self) -> float:
        return sum(part.least for part in self.parts)

    @property
    def most(self) -> float:
        return sum(part.most for part in self.parts)


def foretell(step: Step[Any], ports: Ports, case: Case, memory: Memory) -> PlannedStep:
    """All rounds of a step, as if the steps before were done and every wait ended well."""
    actions: list[str] = []

    def told(decision: str, text: str) -> PlannedStep:
        return PlannedStep(step.name, step.documented, decision, text, tuple(actions))

    try:
        facts = step.foresee(step.observe(ports, case, memory))
    except HcpDrError as error:
        return told("unknown", error.what)
    for _ in range(_ROUNDS):
        decision = step.plan(facts)
        match decision:
            case Done():
                return told("do", "") if actions else told("done", decision.because)
            case Refuse():
                return told("refuse", decision.error.what)
            case Wait():
                actions.append(f"wait until {decision.until} (at most {decision.limit:.0f} s)")
            case Do():
                actions += describe_all(decision.actions)
        if step.afterwards is None:
            return told("do", "")
        facts = step.afterwards(facts, decision)
    return told("do", "and so on")
