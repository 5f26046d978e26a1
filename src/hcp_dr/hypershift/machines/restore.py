"""Restores machine objects: owners before the objects they own, linked to the owners' new uids, each paused by its own
annotation. `restore.machines` restores all of them, `restore.carry_again` those changed before the fence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Create, Decision, Do, Done, Refuse
from hcp_dr.errors import MachineUnsafe, NotOurs, Refused
from hcp_dr.hypershift.backup_objects import Restorable, existing, is_ours, marked, to_restore
from hcp_dr.hypershift.inventory import MACHINERY, RESOURCES
from hcp_dr.hypershift.machines.instances import gone, instance_id
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import CLUSTER
from hcp_dr.model import Case, Ports, Unknown
from hcp_dr.objects.graph import Owner, relink
from hcp_dr.objects.reading import is_deleting
from hcp_dr.upstream import PAUSED_ANNOTATION

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    wanted: tuple[Restorable, ...]
    found: Mapping[Key, Object]
    running: frozenset[str]  # ids of running instances, by EC2
    unserved: tuple[str, ...] = ()  # API versions of the backup that the destination does not serve
    gone: frozenset[str] = frozenset()  # ids of instances that exist no more


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    kinds = {resource.kind for resource in MACHINERY}
    wanted = tuple(item for item in to_restore(ports, case) if item.entry.kind in kinds)
    ids = tuple(found for item in wanted if item.entry.kind == "AWSMachine" if (found := instance_id(item.body)))
    instances = ports.instances.describe(ids)
    return Facts(
        backup_id=case.backup_id,
        wanted=wanted,
        found=existing(ports.destination, wanted),
        running=frozenset(i.instance_id for i in instances if i.state == "running"),
        gone=gone(ids, instances),
        unserved=_unserved(ports.destination, {item.entry.api_version for item in wanted}),
    )


def _unserved(cluster: Kubernetes, api_versions: Iterable[str]) -> tuple[str, ...]:
    parts = sorted(each.rpartition("/") for each in api_versions)
    return tuple(f"{group}/{version}" for group, _, version in parts if version not in cluster.versions(group))


def _not_served(api_versions: tuple[str, ...]) -> Refused:
    return Refused(
        what=f"The destination does not serve {', '.join(api_versions)}, the version of machine objects in the backup.",
        left="No machine object was created.",
        todo="Use a destination whose HyperShift release serves this API version.",
    )


def _unsafe(facts: Facts) -> MachineUnsafe | NotOurs | None:
    wanted = {item.entry.key for item in facts.wanted}
    for key, existing_object in facts.found.items():
        named = f"{key[0]} {key[1]} in the destination's control plane namespace"
        if is_deleting(existing_object):
            return MachineUnsafe(what=f"{named} is being deleted: once its controller runs, it terminates instances.")
        if key not in wanted or not is_ours(existing_object, facts.backup_id):
            return NotOurs(what=f"{named} was not created by this relocation from this backup.")
    for item in facts.wanted:
        if item.entry.kind == "AWSMachine":
            instance = instance_id(item.body)
            if instance is None:
                return MachineUnsafe(
                    what=f"AWSMachine {item.entry.name} of the backup has no providerID: it would make a new instance."
                )
            if instance not in facts.running | facts.gone:
                return MachineUnsafe(what=f"Instance {instance} of AWSMachine {item.entry.name} is not running.")
    return None


def carried_owners(item: Restorable, carried: Iterable[Restorable]) -> tuple[Owner, ...]:
    """Owners that are restored too. A Cluster has none here: it is on top."""
    keys = {other.entry.key for other in carried}
    return tuple(owner for owner in item.entry.owners if owner.key in keys)


def held_body(item: Restorable, backup_id: str) -> Object:
    """The object with its paused annotation. A Cluster has spec.paused instead; templates need no pause."""
    if item.entry.kind == CLUSTER.kind:
        body = marked(item.body, backup_id)
        return {**body, "spec": {**(body.get("spec") or {}), "paused": True}}
    if item.entry.kind in ("AWSCluster", "AWSMachineTemplate"):
        return marked(item.body, backup_id)
    return marked(item.body, backup_id, **{PAUSED_ANNOTATION: "true"})


def plan(facts: Facts) -> Decision:
    if facts.unserved:
        return Refuse(_not_served(facts.unserved))
    unsafe = _unsafe(facts)
    if unsafe is not None:
        return Refuse(unsafe)
    missing = [item for item in facts.wanted if item.entry.key not in facts.found]
    linked = [
        (item, relink(held_body(item, facts.backup_id), carried_owners(item, facts.wanted), facts.found))
        for item in missing
    ]
    ready = tuple(Create("destination", RESOURCES[item.entry.kind], body) for item, body in linked if body is not None)
    if ready:
        return Do(ready)
    if missing:
        names = ", ".join(f"{item.entry.kind} {item.entry.name}" for item in missing)
        return Refuse(MachineUnsafe(what=f"The owners of {names} form a circle in the backup."))
    return Done(f"{len(facts.wanted)} machine objects exist, each paused and linked to its owner")


def afterwards(facts: Facts, decision: Decision) -> Facts:
    created = decision.actions if isinstance(decision, Do) else ()
    found = dict(facts.found)
    for action in created:
        if isinstance(action, Create):
            kind, name = action.body["kind"], action.body["metadata"]["name"]
            meta = {**action.body["metadata"], "uid": Unknown(f"uid of {kind} {name}")}
            found[kind, name] = {**action.body, "metadata": meta}
    return replace(facts, found=found)
