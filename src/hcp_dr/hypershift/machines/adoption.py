"""The facts to verify before the machines are given back to Cluster API: NodePools, MachineSets and machines of the
destination, compared with the backup and EC2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Patch
from hcp_dr.errors import RESUME, HcpDrError, MachineUnsafe
from hcp_dr.hypershift import scope, steps
from hcp_dr.hypershift.backup_objects import Restorable, to_restore
from hcp_dr.hypershift.machines import paused_objects, rollout
from hcp_dr.hypershift.machines.instances import gone, instance_id
from hcp_dr.hypershift.machines.paused_objects import PAUSED_KINDS, Held
from hcp_dr.hypershift.machines.rollout import rolling
from hcp_dr.kube.port import Object, Resource
from hcp_dr.kube.resources import (
    AWS_MACHINE,
    CLUSTER,
    CONFIG_MAP,
    HOSTED_CLUSTER,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    NODE,
    NODE_POOL,
)
from hcp_dr.model import Case, Ports, Unknown
from hcp_dr.objects.archive import Entry
from hcp_dr.objects.reading import annotations_of, condition, dig, is_deleting, name_of, owned_by, some, uid_of
from hcp_dr.objects.select import node_pools_of, of_infrastructure
from hcp_dr.upstream import (
    CANONICAL_IMAGES,
    PAUSED_ANNOTATION,
    REACHED_IGNITION_ENDPOINT,
    RECONCILIATION_ACTIVE,
    UPDATING_CONFIG,
    UPDATING_VERSION,
)

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
    replicas: int | None = None  # of the MachineDeployment or MachineSet behind it; None without one
    asked: int | None = None  # replicas that the NodePool asks for; with autoscaling the nearest permitted number

    @property
    def pending(self) -> bool:
        """Its un-pausing would create or delete machines."""
        return self.replicas is not None and self.asked is not None and self.replicas != self.asked

    def pause_until(self, value: str | None) -> Patch:
        """`value` is the new pausedUntil."""
        return Patch("destination", NODE_POOL, self.name, self.namespace, {"spec": {"pausedUntil": value}})

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
    owner: str = ""  # the MachineDeployment of a MachineSet

    @property
    def pending(self) -> bool:
        return self.replicas != self.owned


@dataclass(frozen=True, slots=True)
class TemplateFact:
    """The template of a MachineDeployment: the fields that replace machines, by path in spec.template.spec, on the
    destination and in the backup."""

    name: str
    present: Mapping[str, str | None]
    wanted: Mapping[str, str | None]

    @property
    def changed(self) -> Mapping[str, str | None]:
        """The backup's values of the fields that differ, by path."""
        return {path: value for path, value in self.wanted.items() if self.present.get(path) != value}

    def describe(self) -> str:
        return ", ".join(f"{path} is {self.present.get(path)}, was {value}" for path, value in self.changed.items())

    def put_back(self) -> dict[str, Any]:
        """The merge patch with the backup's values, and with the paused annotation."""
        spec: dict[str, Any] = {}
        for path, value in self.changed.items():
            *parents, last = path.split(".")
            place: Any = spec
            for each in parents:
                place = place.setdefault(each, {})
            place[last] = value
        return {"metadata": {"annotations": {PAUSED_ANNOTATION: "true"}}, "spec": {"template": {"spec": spec}}}


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
    hosted_namespace: str = ""
    hosted_cluster: str = ""  # name
    hosted_paused: str | None = None  # its pausedUntil
    reconciling: str | None = None  # its condition ReconciliationActive, at its generation
    cluster: str | None = None  # name of the Cluster, None if there is none
    cluster_paused: bool = False
    templates: tuple[TemplateFact, ...] = ()
    lacking: tuple[str, ...] = ()  # missing ConfigMaps of the backup that are part of the NodePools' hash
    gone: frozenset[str] = frozenset()  # ids of instances that exist no more
    acted: bool = False  # machine objects are being returned to Cluster API
    differing: tuple[str, ...] = ()  # inputs of the hash that differ from the backup; only read if a pool would roll

    @property
    def released(self) -> bool:
        """From then on Cluster API creates and deletes machines, as the NodePools ask for."""
        return self.acted and self.hosted_paused is None

    @property
    def is_held(self) -> bool:
        """Whether machine objects below a NodePool's own are paused."""
        return any(item.paused and not item.top for item in self.held)

    @property
    def differing_templates(self) -> tuple[TemplateFact, ...]:
        return tuple(item for item in self.templates if item.changed)

    @property
    def unwritten(self) -> tuple[Held, ...]:
        """The objects that the operator has not written since the NodePool was un-paused."""
        running = {pool.name for pool in self.pools if pool.paused is None}
        return tuple(item for item in self.held if item.top and item.paused and item.name in running)

    @property
    def wanted(self) -> frozenset[tuple[str, str]]:
        """Kind and name of the Machines and AWSMachines of the backup."""
        return frozenset(item.entry.key for item in self.backup if item.entry.kind in ("Machine", "AWSMachine"))


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    destination = ports.destination
    hosted_cluster = destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    pools = node_pools_of({"metadata": {"name": case.name}}, destination.list(NODE_POOL, case.namespace).items)
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
    instances = ports.instances.describe(ids)
    backup = to_restore(ports, case)
    paused_before = scope.pauses(memory)
    pauses = _read_pauses(backup) if paused_before is None else paused_before.asked
    images = {item.entry.name: annotations_of(item.body).get(CANONICAL_IMAGES) for item in _pools(backup)}
    config_maps = {name_of(item) for item in destination.list(CONFIG_MAP, case.control_plane_namespace).items}
    hashed = [e.name for e in (item.entry for item in backup) if _goes_into_the_hash(e, case.control_plane_namespace)]
    groups = {name_of(item): _replicas(item) for item in (*sets, *deployments)}
    pool_facts = tuple(
        _scaling(pool_fact(item, pauses, images.get(name_of(item))), item, groups.get(name_of(item))) for item in pools
    )
    return Facts(
        pools=pool_facts,
        held=paused_objects.read_machine_objects(destination, case),
        machines=tuple(machine_fact(item) for item in machines),
        sets=(*(_set(item, machines) for item in sets), *(_deployment(item, sets) for item in deployments)),
        backup=backup,
        running=frozenset(i.instance_id for i in instances if i.state == "running"),
        gone=gone(ids, instances),
        nodes=frozenset(str(dig(node, "spec", "providerID")) for node in ports.hosted.list(NODE).items),
        namespace=case.control_plane_namespace,
        acted=steps.RESTORE_ADOPT_MACHINES in memory.acted,
        hosted_namespace=case.namespace,
        hosted_cluster=case.name,
        hosted_paused=dig(hosted_cluster, "spec", "pausedUntil"),
        reconciling=condition(hosted_cluster, RECONCILIATION_ACTIVE) if hosted_cluster else None,
        cluster=next(map(name_of, clusters), None),
        cluster_paused=any(dig(item, "spec", "paused") for item in clusters),
        templates=_templates(deployments, backup),
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
        rolling=tuple(kind for kind in rolling(item) if kind in FORETOLD),
        silent=_not_reported(item),
        deleting=is_deleting(item),
        images=annotations_of(item).get(CANONICAL_IMAGES),
        images_before=images,
    )


def _not_reported(pool: Object) -> tuple[str, ...]:
    """The conditions of FORETOLD that the operator has not decided at this generation. Operators before 4.17 remove a
    condition instead of setting it to False. Every release evaluates ReachedIgnitionEndpoint after them."""
    if condition(pool, REACHED_IGNITION_ENDPOINT) is not None:
        return ()
    return tuple(kind for kind in FORETOLD if condition(pool, kind) not in ("True", "False"))


REPLACING = ("infrastructureRef.name", "bootstrap.dataSecretName", "version")
"""Fields of a machine template whose change replaces machines (Cluster API)."""


def _templates(deployments: Iterable[Object], backup: Iterable[Restorable]) -> tuple[TemplateFact, ...]:
    before = {item.entry.name: item.body for item in backup if item.entry.kind == MACHINE_DEPLOYMENT.kind}
    return tuple(
        TemplateFact(name_of(item), _replacing(item), _replacing(before[name_of(item)]))
        for item in deployments
        if name_of(item) in before
    )


def _replacing(deployment: Object) -> dict[str, str | None]:
    return {path: dig(deployment, "spec", "template", "spec", *path.split(".")) for path in REPLACING}


def _scaling(pool: PoolFact, item: Object, replicas: int | None) -> PoolFact:
    """With the number of machines that the NodePool has, and the number that it asks for."""
    limits = dig(item, "spec", "autoScaling")
    if limits is None:
        return replace(pool, replicas=replicas, asked=int(dig(item, "spec", "replicas") or 0))
    least, most = int(limits.get("min") or 0), limits.get("max")
    asked = None if replicas is None else max(least, replicas if most is None else min(replicas, int(most)))
    return replace(pool, replicas=replicas, asked=asked)


def _set(item: Object, machines: Iterable[Object]) -> SetFact:
    owned = [machine for machine in machines if machine["kind"] == "Machine" and owned_by(machine, uid_of(item))]
    owners = (each for each in item["metadata"].get("ownerReferences") or () if each["kind"] == MACHINE_DEPLOYMENT.kind)
    owner = next((str(each["name"]) for each in owners), "")
    return SetFact(item["kind"], name_of(item), _replicas(item), len(owned), owner)


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


def check_safe(facts: Facts) -> HcpDrError | None:
    """The reason against un-pausing, or None."""
    problems = [f"NodePool {pool.name} would roll ({', '.join(pool.rolling)})" for pool in facts.pools if pool.rolling]
    problems += [
        f"NodePool {pool.name} would roll: its annotation {CANONICAL_IMAGES} is {pool.images}, was {pool.images_before}"
        for pool in facts.pools
        if pool.images != pool.images_before
    ]
    problems += [f"NodePool {pool.name} is being deleted" for pool in facts.pools if pool.deleting]
    problems += [
        f"NodePool {pool.name} asks for {pool.asked} machines and has {pool.replicas}" for pool in _pending(facts)
    ]
    if not facts.released:
        problems += _find_differences(facts)
    if not problems:
        return None
    return MachineUnsafe(
        what=f"Refusing to return machines on the destination to Cluster API: {'; '.join(problems)}."
        f"{_describe_inputs(facts)}",
        left="Paused machine objects stay paused; the hosted cluster serves.",
        todo=_describe_remedy(facts) + f"Fix this while the machine objects are paused, then run {RESUME}.",
    )


def _pending(facts: Facts) -> tuple[PoolFact, ...]:
    return tuple(pool for pool in facts.pools if pool.pending and pool.paused)


def _describe_remedy(facts: Facts) -> str:
    """The commands against a pending scaling. A NodePool that is un-paused has its number written by the operator to
    the object behind it, which Cluster API has not followed yet."""
    machines = {pool.name: pool.replicas for pool in _pending(facts) if pool.replicas is not None}
    commands: list[str] = []
    if not facts.released:
        for item in (each for each in facts.sets if each.pending):
            top = item.owner or item.name
            commands += [] if top == item.name else [_scale_set(facts, MACHINE_SET, item.name, item.owned)]
            if any(pool.name == top and pool.paused for pool in facts.pools):
                resource = MACHINE_SET if item.kind == MACHINE_SET.kind and not item.owner else MACHINE_DEPLOYMENT
                commands.append(_scale_set(facts, resource, top, item.owned))
            machines[top] = item.owned
    commands += [
        _scale("nodepool", pool.namespace, pool.name, machines[pool.name])
        for pool in facts.pools
        if pool.name in machines and pool.asked not in (None, machines[pool.name])
    ]
    if not commands:
        return ""
    return (
        "Undo the scaling on the destination for now (with autoscaling, its limits): "
        f"{', '.join(dict.fromkeys(commands))}; scale the NodePool after the relocation. "
    )


def _scale_set(facts: Facts, resource: Resource, name: str, replicas: int) -> str:
    return _scale(f"{resource.plural}.{resource.group}", facts.namespace, name, replicas)


def _scale(kind: str, namespace: str, name: str, replicas: int) -> str:
    patch = f'{{"spec":{{"replicas":{replicas}}}}}'
    return f"`oc patch {kind} -n {namespace} {name} --type merge -p '{patch}'`"


def _find_differences(facts: Facts) -> list[str]:
    """Before Cluster API is un-paused, the machines are exactly those of the backup."""
    problems = [f"{item.kind} {item.name} is being deleted" for item in facts.machines if item.deleting]
    existing = {(item.kind, item.name) for item in facts.machines}
    if existing != facts.wanted:
        differing = ", ".join(f"{kind} {name}" for kind, name in sorted(existing ^ facts.wanted))
        problems.append(f"machines differ from the backup: {differing}")
    problems += [
        f"{item.kind} {item.name} asks for {item.replicas} machines and owns {item.owned}"
        for item in facts.sets
        if item.pending
    ]
    providers = {item.name: item.provider_id for item in facts.machines if item.kind == "AWSMachine"}
    machine_providers = {item.provider_id for item in facts.machines if item.kind == "Machine"}
    for name, provider in providers.items():
        if provider and provider not in machine_providers:
            problems.append(f"no Machine has the instance of AWSMachine {name} ({provider})")
        if provider is None or provider.rpartition("/")[2] not in facts.running | facts.gone:
            problems.append(f"AWSMachine {name} has no running instance ({provider})")
    return problems


def _describe_inputs(facts: Facts) -> str:
    """The input that makes a NodePool roll."""
    if not any(pool.would_roll for pool in facts.pools):
        return ""
    if facts.differing:
        return f" Configuration inputs that differ from the backup: {some(facts.differing)}."
    return (
        " All readable configuration inputs are the same as in the backup: read the log of the destination's "
        "HyperShift operator."
    )


def foresee(facts: Facts) -> Facts:
    """Facts as if the complete backup was restored and paused, and the nodes were back."""
    facts = replace(facts, lacking=())
    if facts.pools:
        return facts
    bodies = [item.body for item in facts.backup]
    pools = [{**body, "spec": {**body["spec"], "pausedUntil": "true"}} for body in bodies if body["kind"] == "NodePool"]
    tops = {item.entry.key for item in facts.backup if not {o.kind for o in item.entry.owners} & {"MachineDeployment"}}
    machines = tuple(machine_fact(body) for body in bodies if body["kind"] in ("Machine", "AWSMachine"))
    return replace(
        facts,
        cluster=next((name_of(body) for body in bodies if body["kind"] == CLUSTER.kind), None),
        pools=tuple(
            replace(pool_fact(pool, {}, annotations_of(pool).get(CANONICAL_IMAGES)), rolling=(), silent=())
            for pool in pools
        ),
        held=tuple(
            Held(
                resource,
                facts.namespace,
                name_of(body),
                paused=True,
                top=resource in (MACHINE_DEPLOYMENT, MACHINE_SET) and (resource.kind, name_of(body)) in tops,
            )
            for resource in PAUSED_KINDS
            for body in bodies
            if body["kind"] == resource.kind
        ),
        machines=tuple(replace(item, node=Unknown("its node")) for item in machines),
        running=frozenset(item.provider_id.rpartition("/")[2] for item in machines if item.provider_id),
    )
