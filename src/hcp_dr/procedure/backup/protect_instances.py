"""Termination protection in EC2 on every worker instance, from here to the end: it stands behind all other guards,
independent of every operator (rule A3). What it was before is remembered and put back in `finish`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.aws.port import Instance
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Do, Done, Protect, Refuse, Step
from hcp_dr.errors import RESUME, MachineUnsafe
from hcp_dr.hypershift import scope
from hcp_dr.hypershift.backup_objects import to_restore
from hcp_dr.hypershift.machines.instances import aws_machines, check_own, instance_ids, put_back
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.state import PROTECTION
from hcp_dr.kube.resources import AWS_MACHINE
from hcp_dr.model import Case, Ports


@dataclass(frozen=True, slots=True)
class Facts:
    wanted: tuple[str, ...]  # instance ids by the AWSMachines
    protected: Mapping[str, bool]  # as EC2 says now; an instance that EC2 does not know is missing
    spot: tuple[str, ...]
    before: Mapping[str, Any] | None  # remembered
    lost: bool = False  # the source is: the AWSMachines are those of the backup


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    if not is_lost(memory):
        return _look_at(ports, instance_ids(aws_machines(ports.source, case)), memory)
    machines = (item.body for item in to_restore(ports, case) if item.entry.kind == AWS_MACHINE.kind)
    return replace(_look_at(ports, instance_ids(machines), memory), lost=True)


def look_back(ports: Ports, case: Case, memory: RunState) -> Facts:
    """At those of before, whatever the AWSMachines name by now."""
    before = scope.protection(memory) or {}
    found = ports.instances.describe(tuple(before))
    own = (each for each in found if each.termination_protected and before.get(each.instance_id) is False)
    check_own(ports.source, ports, case, own)
    return _facts(tuple(before), found, memory)


def _look_at(ports: Ports, wanted: tuple[str, ...], memory: RunState) -> Facts:
    return _facts(wanted, ports.instances.describe(wanted), memory)


def _facts(wanted: tuple[str, ...], found: tuple[Instance, ...], memory: RunState) -> Facts:
    return Facts(
        wanted=wanted,
        protected={instance.instance_id: instance.termination_protected for instance in found},
        spot=tuple(instance.instance_id for instance in found if instance.spot),
        before=memory.get(PROTECTION),
    )


def plan(facts: Facts) -> Decision:
    lost = [name for name in facts.wanted if name not in facts.protected]
    if lost:
        return Refuse(
            MachineUnsafe(
                what=f"EC2 does not know the instances {', '.join(lost)} of this hosted cluster's AWSMachines.",
                todo="Restore another backup, whose machines are there."
                if facts.lost
                else f"Let Cluster API replace them first, then run {RESUME}.",
            )
        )
    if facts.before is None:
        return Do((PROTECTION.remember(dict(facts.protected)),))
    open_ = [name for name in facts.wanted if not facts.protected[name] and name not in facts.spot]
    if open_:
        return Do(tuple(Protect(name, on=True) for name in open_))
    return Done(f"{len(facts.wanted)} instances, {len(facts.spot)} of them Spot and not protectable")


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.before is None:
        return replace(facts, before=dict(facts.protected))
    return replace(facts, protected=dict.fromkeys(facts.protected, True))


def revert(facts: Facts) -> Decision:
    return put_back(facts.before or {}, facts.protected)


STEP = Step(
    name="backup.protect_instances",
    documented="-",
    observe=observe,
    plan=plan,
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
)
