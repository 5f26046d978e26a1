"""Restores the instances' termination protection to the value from before `protect_instances`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Done, Step
from hcp_dr.hypershift import scope, steps
from hcp_dr.hypershift.deletion import watch as deletion_watch
from hcp_dr.hypershift.machines.instances import aws_machines, check_own, instance_ids, put_back
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.model import Case, Ports


@dataclass(frozen=True, slots=True)
class Facts:
    before: Mapping[str, Any]  # remembered
    protected: Mapping[str, bool]
    held: bool = False  # the lost source may come back: this cluster has not been removed from the source yet
    foreseen: tuple[str, ...] = ()  # before any value is remembered: instances that would be protected by then


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    before = scope.protection(memory)
    wanted = tuple(before) if before is not None else instance_ids(aws_machines(ports.source, case))
    instances = ports.instances.describe(wanted)
    if before is not None:
        own = (each for each in instances if each.termination_protected and before.get(each.instance_id) is False)
        check_own(ports.destination, ports, case, own)
    return Facts(
        before=before or {},
        protected={instance.instance_id: instance.termination_protected for instance in instances},
        held=is_lost(memory) and steps.VERIFY_SOURCE_CLEAN not in memory.done,
        foreseen=tuple(i.instance_id for i in instances if not i.termination_protected and not i.spot)
        if before is None
        else (),
    )


def plan(facts: Facts) -> Decision:
    protected = [name for name, on in facts.before.items() if not on and facts.protected.get(name)]
    if facts.held and protected:
        check = Check(
            "termination_protection",
            "warning",
            f"left on: {', '.join(protected)}",
            "the source was lost, and a returning source may terminate these instances",
            "when the source is back, fence the source by hand, run `hcp-dr teardown`, then `hcp-dr finish`. If the "
            "source will never return, for each instance: "
            "aws ec2 modify-instance-attribute --no-disable-api-termination --instance-id ID",
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
    gate=deletion_watch.look_through,  # a second control plane on the source could terminate the instances
)
