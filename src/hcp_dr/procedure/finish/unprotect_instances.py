"""Puts the instances' termination protection back to what it was before `protect_instances`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Done, Step
from hcp_dr.hypershift import scope, steps
from hcp_dr.hypershift.machines.instances import aws_machines, check_own, instance_ids, put_back
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.model import Case, Ports


@dataclass(frozen=True, slots=True)
class Facts:
    before: Mapping[str, Any]  # remembered
    protected: Mapping[str, bool]
    held: bool = False  # the source was lost, and may come back: nothing of this cluster was removed there yet
    foreseen: tuple[str, ...] = ()  # before anything is remembered: instances that would be protected meanwhile


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    before = scope.protection(memory)
    wanted = tuple(before) if before is not None else instance_ids(aws_machines(ports.source, case))
    found = ports.instances.describe(wanted)
    if before is not None:
        own = (each for each in found if each.termination_protected and before.get(each.instance_id) is False)
        check_own(ports.destination, ports, case, own)
    return Facts(
        before=before or {},
        protected={instance.instance_id: instance.termination_protected for instance in found},
        held=is_lost(memory) and steps.VERIFY_SOURCE_CLEAN not in memory.done,
        foreseen=tuple(i.instance_id for i in found if not i.termination_protected and not i.spot)
        if before is None
        else (),
    )


def plan(facts: Facts) -> Decision:
    kept = [name for name, on in facts.before.items() if not on and facts.protected.get(name)]
    if facts.held and kept:
        check = Check(
            "termination_protection",
            "warning",
            f"left on: {', '.join(kept)}",
            "the source was lost, and what comes back of it may terminate them",
            "when it is back, fence it by hand and run `hcp-dr teardown`, then this again. When it is gone for good: "
            "aws ec2 modify-instance-attribute --no-disable-api-termination --instance-id ID, for each",
        )
        return Done("termination protection stays on while the lost source may come back", (check,))
    return put_back(facts.before, facts.protected)


def foresee(facts: Facts) -> Facts:
    if not facts.foreseen:
        return facts
    protected = {**facts.protected, **dict.fromkeys(facts.foreseen, True)}
    return replace(facts, before=dict.fromkeys(facts.foreseen, False), protected=protected)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, protected={})


STEP = Step(
    name="finish.unprotect_instances",
    documented="-",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
