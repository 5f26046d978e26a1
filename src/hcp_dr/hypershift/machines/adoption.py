"""The facts to verify before the machines are given back to Cluster API: NodePools, MachineSets and machines of the
destination, compared with the backup and EC2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.hypershift import scope
from hcp_dr.hypershift.backup_objects import Restorable, to_restore
from hcp_dr.hypershift.machines import paused_objects, rollout
from hcp_dr.hypershift.machines.instances import instance_id
from hcp_dr.hypershift.machines.paused_objects import Held
from hcp_dr.hypershift.machines.rollout import rolling
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import (
    AWS_MACHINE,
    CLUSTER,
    CONFIG_MAP,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    NODE,
    NODE_POOL,
)
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import Entry
from hcp_dr.objects.reading import annotations_of, condition, dig, is_deleting, name_of, owned_by, uid_of
from hcp_dr.objects.select import node_pools_of, of_infrastructure
from hcp_dr.upstream import CANONICAL_IMAGES, UPDATING_CONFIG, UPDATING_VERSION

FORETOLD = (UPDATING_CONFIG, UPDATING_VERSION)
"""Conditions that the operator sets on a paused NodePool too (rule A9)."""


@dataclass(frozen=True, slots=True)
class PoolFact:
    """A NodePool of the destination. `paused_before` is its pausedUntil before the relocation."""

    name: str
    namespace: str
    paused: str | None
    paused_before: str | None
    rolling: tuple[str, ...]  # conditions that report a future rollout
    silent: tuple[str, ...]  # conditions not reported yet at this generation
    deleting: bool
    images: str | None = None  # the annotation that puts the payload's images into the hash
    images_before: str | None = None  # the same in the backup

    @property
    def would_roll(self) -> bool:
        return bool(self.rolling) or self.images != self.images_before


@dataclass(frozen=True, slots=True)
class MachineFact:
    """A Machine or AWSMachine of the destination."""

    kind: str
    name: str
    deleting: bool
    provider_id: str | None
    node: str | None


@dataclass(frozen=True, slots=True)
class SetFact:
    """A MachineDeployment or MachineSet of the destination: its desired machines, and the machines it owns."""

    kind: str
    name: str
    replicas: int
    owned: int


@dataclass(frozen=True, slots=True)
class Facts:
    pools: tuple[PoolFact, ...]
    held: tuple[Held, ...]
    machines: tuple[MachineFact, ...]
    sets: tuple[SetFact, ...]
    backup: tuple[Restorable, ...]
    running: frozenset[str]
    nodes: frozenset[str]  # provider ids of the hosted cluster's nodes
    namespace: str
    paused_cluster: str | None = None  # name of the Cluster, while its spec.paused is set
    lacking: tuple[str, ...] = ()  # missing ConfigMaps of the backup that are part of the NodePools' hash
    differing: tuple[str, ...] = ()  # inputs of the hash that differ from the backup; only read if a pool would roll

    @property
    def wanted(self) -> frozenset[tuple[str, str]]:
        """Kind and name of the Machines and AWSMachines of the backup."""
        return frozenset(item.entry.key for item in self.backup if item.entry.kind in ("Machine", "AWSMachine"))


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    destination = ports.destination
    hosted_cluster = {"metadata": {"name": case.name}}
    pools = node_pools_of(hosted_cluster, destination.list(NODE_POOL, case.namespace).items)
    machines = [
        item
        for resource in (MACHINE, AWS_MACHINE)
        for item in of_infrastructure(case.infra_id, destination.list(resource, case.control_plane_namespace).items)
    ]
    sets, deployments = (
        of_infrastructure(case.infra_id, destination.list(resource, case.control_plane_namespace).items)
        for resource in (MACHINE_SET, MACHINE_DEPLOYMENT)
    )
    clusters = [i for i in destination.list(CLUSTER, case.control_plane_namespace).items if name_of(i) == case.infra_id]
    ids = [found for item in machines if item["kind"] == "AWSMachine" and (found := instance_id(item))]
    backup = to_restore(ports, case)
    paused_before = scope.pauses(memory)
    pauses = _read_pauses(backup) if paused_before is None else paused_before.asked
    images = {item.entry.name: annotations_of(item.body).get(CANONICAL_IMAGES) for item in _pools(backup)}
    config_maps = {name_of(item) for item in destination.list(CONFIG_MAP, case.control_plane_namespace).items}
    hashed = [e.name for e in (item.entry for item in backup) if _goes_into_the_hash(e, case.control_plane_namespace)]
    pool_facts = tuple(pool_fact(item, pauses, images.get(name_of(item))) for item in pools)
    return Facts(
        pools=pool_facts,
        held=paused_objects.read_machine_objects(destination, case),
        machines=tuple(machine_fact(item) for item in machines),
        sets=(*(_set(item, machines) for item in sets), *(_deployment(item, sets) for item in deployments)),
        backup=backup,
        running=frozenset(i.instance_id for i in ports.instances.describe(ids) if i.state == "running"),
        nodes=frozenset(str(dig(node, "spec", "providerID")) for node in ports.hosted.list(NODE).items),
        namespace=case.control_plane_namespace,
        paused_cluster=next((name_of(item) for item in clusters if dig(item, "spec", "paused")), None),
        lacking=tuple(name for name in hashed if name not in config_maps),
        differing=rollout.differing(ports, case, memory, backup) if any(pool.would_roll for pool in pool_facts) else (),
    )


def _read_pauses(backup: Iterable[Restorable]) -> dict[str, Any]:
    """The NodePools' pausedUntil in a backup without a pause."""
    return {f"{NODE_POOL.kind}/{item.entry.name}": dig(item.body, "spec", "pausedUntil") for item in _pools(backup)}


def _pools(backup: Iterable[Restorable]) -> tuple[Restorable, ...]:
    return tuple(item for item in backup if item.entry.kind == NODE_POOL.kind)


def _goes_into_the_hash(entry: Entry, namespace: str) -> bool:
    """ConfigMaps of the control plane namespace are exported only for the hash. A missing one of node tuning changes
    the hash without an error (NP/config.go)."""
    return entry.kind == "ConfigMap" and entry.namespace == namespace


def pool_fact(item: Object, pauses: Mapping[str, Any], images: str | None) -> PoolFact:
    return PoolFact(
        name=name_of(item),
        namespace=item["metadata"]["namespace"],
        paused=dig(item, "spec", "pausedUntil"),
        paused_before=pauses.get(f"NodePool/{name_of(item)}"),
        rolling=rolling(item),
        silent=tuple(kind for kind in FORETOLD if condition(item, kind) not in ("True", "False")),
        deleting=is_deleting(item),
        images=annotations_of(item).get(CANONICAL_IMAGES),
        images_before=images,
    )


def _set(item: Object, machines: Iterable[Object]) -> SetFact:
    owned = [machine for machine in machines if machine["kind"] == "Machine" and owned_by(machine, uid_of(item))]
    return SetFact(item["kind"], name_of(item), _replicas(item), len(owned))


def _deployment(item: Object, sets: Iterable[Object]) -> SetFact:
    owned = sum(_replicas(each) for each in sets if owned_by(each, uid_of(item)))
    return SetFact(item["kind"], name_of(item), _replicas(item), owned)


def _replicas(item: Object) -> int:
    return int(dig(item, "spec", "replicas") or 0)


def machine_fact(item: Object) -> MachineFact:
    return MachineFact(
        kind=item["kind"],
        name=name_of(item),
        deleting=is_deleting(item),
        provider_id=dig(item, "spec", "providerID"),
        node=dig(item, "status", "nodeRef", "name"),
    )
