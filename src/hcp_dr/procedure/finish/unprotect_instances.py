"""Puts the instances' termination protection back to what it was before `protect_instances`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Decision, Step
from hcp_dr.model import Case, Ports
from hcp_dr.procedure.backup.protect_instances import put_back
from hcp_dr.procedure.instances import aws_machines, instance_ids


@dataclass(frozen=True, slots=True)
class Facts:
    before: Mapping[str, Any]  # remembered
    protected: Mapping[str, bool]
    foreseen: tuple[str, ...] = ()  # before anything is remembered: instances that would be protected meanwhile


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    before = memory.mapping("protection")
    wanted = tuple(before) if before is not None else instance_ids(aws_machines(ports.source, case))
    found = ports.instances.describe(wanted)
    return Facts(
        before=before or {},
        protected={instance.instance_id: instance.termination_protected for instance in found},
        foreseen=tuple(i.instance_id for i in found if not i.termination_protected and not i.spot)
        if before is None
        else (),
    )


def plan(facts: Facts) -> Decision:
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
