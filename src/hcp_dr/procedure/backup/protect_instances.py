"""Sets EC2 termination protection on every worker instance until the end: the last guard, independent of every operator
(rule A3). The former value is remembered, and restored in `finish`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.aws.port import Instance
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Do, Done, Protect, Refuse, Step
from hcp_dr.errors import RESUME, MachineUnsafe
from hcp_dr.hypershift import scope
from hcp_dr.hypershift.backup_objects import to_restore
from hcp_dr.hypershift.machines.instances import aws_machines, check_own, gone, instance_ids, put_back
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.state import PROTECTION
from hcp_dr.kube.resources import AWS_MACHINE
from hcp_dr.model import Case, Ports


@dataclass(frozen=True, slots=True)
class Facts:
    wanted: tuple[str, ...]  # instance IDs of the AWSMachines
    protected: Mapping[str, bool]  # the present value in EC2; instances unknown to EC2 are missing
    spot: tuple[str, ...]
    before: Mapping[str, Any] | None  # remembered
    lost: bool = False  # the source is lost: the AWSMachines come from the backup
    gone: tuple[str, ...] = ()  # instances that exist no more


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    if not is_lost(memory):
        return _read_instances(ports, instance_ids(aws_machines(ports.source, case)), memory)
    machines = (item.body for item in to_restore(ports, case) if item.entry.kind == AWS_MACHINE.kind)
    return replace(_read_instances(ports, instance_ids(machines), memory), lost=True)


def look_back(ports: Ports, case: Case, memory: RunState) -> Facts:
    """Reads the remembered instances, even if the AWSMachines name other instances now."""
    before = scope.protection(memory) or {}
    instances = ports.instances.describe(tuple(before))
    instances = tuple(each for each in instances if each.instance_id not in gone(before, instances))
    own = (each for each in instances if each.termination_protected and before.get(each.instance_id) is False)
    check_own(ports.source, ports, case, own)
    return _make_facts(tuple(before), instances, memory)


def _read_instances(ports: Ports, wanted: tuple[str, ...], memory: RunState) -> Facts:
    instances = ports.instances.describe(wanted)
    dead = gone(wanted, instances)
    living = tuple(each for each in instances if each.instance_id not in dead)
    facts = _make_facts(tuple(each for each in wanted if each not in dead), living, memory)
    return replace(facts, gone=tuple(sorted(dead)))


def _make_facts(wanted: tuple[str, ...], instances: tuple[Instance, ...], memory: RunState) -> Facts:
    return Facts(
        wanted=wanted,
        protected={instance.instance_id: instance.termination_protected for instance in instances},
        spot=tuple(instance.instance_id for instance in instances if instance.spot),
        before=memory.get(PROTECTION),
    )


def plan(facts: Facts) -> Decision:
    missing = [name for name in facts.wanted if name not in facts.protected]
    if missing:
        return Refuse(
            MachineUnsafe(
                what=f"EC2 does not know the instances {', '.join(missing)} of this hosted cluster's AWSMachines.",
                todo="Restore another backup with existing instances."
                if facts.lost
                else f"Wait until Cluster API has replaced the machines, then run {RESUME}.",
            )
        )
    if facts.before is None:
        return Do((PROTECTION.remember(dict(facts.protected)),))
    unprotected = [name for name in facts.wanted if not facts.protected[name] and name not in facts.spot]
    if unprotected:
        return Do(tuple(Protect(name, on=True) for name in unprotected))
    check = Check(
        "gone_instances",
        "warning",
        f"instances that exist no more: {', '.join(facts.gone)}",
        "their machines are carried as they are, and Cluster API creates no instance in their place",
        "after the relocation, delete the Machines of these instances on the destination, so that their MachineSets "
        "create others",
    )
    because = f"{len(facts.wanted)} instances, of which {len(facts.spot)} are Spot instances without protection"
    return Done(because, (check,) if facts.gone else ())


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
