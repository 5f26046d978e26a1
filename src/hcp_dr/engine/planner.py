"""Describes what a step would do, by planning over foreseen facts; performs no action."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Do, Done, Refuse, Step, Timeout, Wait, describe_all
from hcp_dr.errors import HcpDrError
from hcp_dr.model import Case, Ports

_MAX_ROUNDS = 20


Outlook = Literal["done", "nothing", "do", "wait", "check", "refuse", "unknown"]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """The plan of one step. `outlook` is its result: done, by the journal; nothing to do; do and then wait; only wait;
    check, for a step that only reads; refuse; unknown, without an observation. `text` gives the reason, `actions` are
    in the order of their rounds, and `waits` are the waits that may follow."""

    name: str
    documented: str
    outlook: Outlook
    text: str
    actions: tuple[str, ...] = ()
    waits: tuple[Timeout, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the time, in seconds, and the basis of its estimate."""

    name: str
    least: float
    most: float
    because: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """The parts run one after another."""

    parts: tuple[Part, ...]
    not_known: tuple[str, ...]

    @property
    def least(self) -> float:
        return sum(part.least for part in self.parts)

    @property
    def most(self) -> float:
        return sum(part.most for part in self.parts)


def plan_step(step: Step[Any], ports: Ports, case: Case, memory: RunState) -> PlannedStep:
    """All rounds of a step, as if the steps before were done and every wait ended well. A step counts as done only by
    the journal."""

    def planned_step(outlook: Outlook, text: str = "", actions: Sequence[str] = ()) -> PlannedStep:
        waits = () if outlook in ("done", "nothing", "refuse", "unknown") else step.waits
        return PlannedStep(step.name, step.documented, outlook, text, tuple(actions), waits)

    if step.name in memory.done and not step.proof:
        return planned_step("done", "by the journal")
    if step.checks:
        return planned_step("check", step.checks)
    try:
        now = step.observe(ports, case, memory)
    except HcpDrError as error:
        return planned_step("unknown", error.what)
    planned = _rounds(step, step.foresee(now), planned_step)
    if planned.outlook == "nothing" and step.waits and not isinstance(step.plan(now), Done):
        return planned_step("wait")
    return planned


def plan_undo(step: Step[Any], ports: Ports, case: Case, memory: RunState) -> PlannedStep:
    """The first round of undoing a step; later rounds depend on its result."""
    look, name = step.look_back or step.observe, f"undo {step.name}"
    assert step.revert is not None  # noqa: S101 - only such steps are undone
    try:
        decision = step.revert(look(ports, case, memory))
    except HcpDrError as error:
        return PlannedStep(name, step.documented, "unknown", error.what)
    match decision:
        case Done():
            return PlannedStep(name, step.documented, "nothing", decision.because)
        case Refuse():
            return PlannedStep(name, step.documented, "refuse", _describe_refusal(decision))
        case Wait():
            waits = (Timeout(decision.limit, decision.until, decision.seen),)
            return PlannedStep(name, step.documented, "wait", "", (), waits)
        case Do():
            return PlannedStep(name, step.documented, "do", "", tuple(describe_all(decision.actions)))


def _describe_refusal(decision: Refuse) -> str:
    """With the finding of each check that stops: a plan lists no checks."""
    return " ".join((decision.error.what, *(f"{each.name}: {each.seen}." for each in decision.checks if each.stops)))


def _rounds(step: Step[Any], facts: Any, planned_step: Callable[..., PlannedStep]) -> PlannedStep:
    actions: list[str] = []
    waited = False
    for _ in range(_MAX_ROUNDS):
        decision = step.plan(facts)
        match decision:
            case Done():
                if actions:
                    return planned_step("do", "", actions)
                if waited:
                    return planned_step("wait", "")
                return planned_step("check" if decision.checks else "nothing", decision.because)
            case Refuse():
                return planned_step("refuse", _describe_refusal(decision), actions)
            case Wait():
                waited = True
            case Do():
                actions += describe_all(decision.actions)
        if step.afterwards is None:
            return planned_step("do" if actions else "wait", "", actions)
        facts = step.afterwards(facts, decision)
    return planned_step("do", "and so on", actions)
