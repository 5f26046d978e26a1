"""Would the destination create every object of the restore? A policy, a quota or a schema that refuses an object is
found here, not behind the fence."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Step
from hcp_dr.hypershift.checks import verdict
from hcp_dr.hypershift.trial import Trial, try_restore
from hcp_dr.model import Case, Ports


@dataclass(frozen=True, slots=True)
class Facts:
    trial: Trial


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    return Facts(try_restore(ports, case))


def plan(facts: Facts) -> Decision:
    return verdict((facts.trial.check(),))


STEP = Step(name="preflight.creations", documented="-", observe=observe, plan=plan)
