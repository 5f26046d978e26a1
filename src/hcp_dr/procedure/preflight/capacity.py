"""Has the destination capacity for the control plane? The pods have the same requests as on the source: CPU, memory, a
node selector, tolerations, and several nodes or zones for pods with anti-affinity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.checks import bad_if, look_for, verdict
from hcp_dr.hypershift.images.schedulable_nodes import open_to, takes_pods, words
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, NODE, POD
from hcp_dr.model import Case, Ports
from hcp_dr.objects.quantity import gibibytes, number
from hcp_dr.objects.reading import dig, labels_of, name_of, some

_ENDED = ("Succeeded", "Failed")
_DEFAULT_PODS = 110.0


@dataclass(frozen=True, slots=True)
class Need:
    """One pod of the control plane. `cpu` in cores and `memory` in bytes, None without a request."""

    name: str
    cpu: float | None
    memory: float | None
    tolerations: tuple[Mapping[str, str], ...] = ()
    apart: tuple[str, ...] = ()  # topology keys of the required anti-affinity between pods of this kind
    kind: str = ""  # the pod's workload


@dataclass(frozen=True, slots=True)
class Room:
    """Free capacity of a schedulable node of the destination. None if the node's capacity is unknown."""

    name: str
    cpu: float | None
    memory: float | None
    pods: float
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    needs: tuple[Need, ...]
    rooms: tuple[Room, ...]
    node_selector: Mapping[str, str]
    tolerations: tuple[Mapping[str, str], ...]  # of the HostedCluster, for all control plane pods


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    hosted_cluster = ports.source.get(HOSTED_CLUSTER, case.name, case.namespace)
    pods = ports.source.list(POD, case.control_plane_namespace).items
    placed = look_for(ports.destination, POD)
    return Facts(
        needs=tuple(_read_need(pod) for pod in pods if not _has_ended(pod)),
        rooms=tuple(_read_room(node, placed) for node in ports.destination.list(NODE).items if takes_pods(node)),
        node_selector=dict(dig(hosted_cluster, "spec", "nodeSelector") or {}),
        tolerations=words(dig(hosted_cluster, "spec", "tolerations")),
    )


def _has_ended(pod: Object) -> bool:
    return dig(pod, "status", "phase") in _ENDED


def _read_request(pod: Object, resource: str) -> float | None:
    """The scheduler's sum: all containers together, or the largest init container if that is more."""

    def read_requests(field: str) -> list[float]:
        values = (dig(container, "resources", "requests", resource) for container in dig(pod, "spec", field) or ())
        return [number(value) for value in values if value is not None]

    containers, init_containers = read_requests("containers"), read_requests("initContainers")
    if init_containers:
        return max(sum(containers), *init_containers)
    return sum(containers) if containers else None


def _read_need(pod: Object) -> Need:
    required = dig(pod, "spec", "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution") or ()
    owner: Mapping[str, object] = next(iter(pod["metadata"].get("ownerReferences") or ()), {})
    return Need(
        name=name_of(pod),
        cpu=_read_request(pod, "cpu"),
        memory=_read_request(pod, "memory"),
        tolerations=words(dig(pod, "spec", "tolerations")),
        apart=tuple(sorted({str(term.get("topologyKey")) for term in required})),
        kind=f"{owner.get('kind', '')} {owner.get('name', name_of(pod))}".strip(),
    )


def _read_room(node: Object, pods: Iterable[Object] | None) -> Room:
    """`pods` are all pods of the cluster; None without permission to list pods, and the free capacity is unknown."""
    scheduled = [pod for pod in pods or () if dig(pod, "spec", "nodeName") == name_of(node) and not _has_ended(pod)]
    allocatable = dig(node, "status", "allocatable") or {}

    def compute_free(resource: str) -> float | None:
        if resource not in allocatable or pods is None:
            return None
        return number(allocatable[resource]) - sum(_read_request(pod, resource) or 0.0 for pod in scheduled)

    max_pods = number(allocatable["pods"]) if "pods" in allocatable else _DEFAULT_PODS
    return Room(
        name=name_of(node),
        cpu=compute_free("cpu"),
        memory=compute_free("memory"),
        pods=max_pods - len(scheduled),
        labels=dict(labels_of(node)),
        taints=words(dig(node, "spec", "taints")),
    )


def _find_eligible(need: Need, facts: Facts) -> tuple[Room, ...]:
    """The eligible nodes for the pod, full or not."""
    tolerations = (*need.tolerations, *facts.tolerations)
    return tuple(room for room in facts.rooms if open_to(room.labels, room.taints, facts.node_selector, tolerations))


def checks(facts: Facts) -> tuple[Check, ...]:
    return (_check_nodes(facts), _check_room(facts), _check_topology(facts))


def _find_unschedulable(facts: Facts) -> tuple[str, ...]:
    """Pods without any eligible node."""
    return tuple(need.name for need in facts.needs if not _find_eligible(need, facts))


def _check_nodes(facts: Facts) -> Check:
    unschedulable = _find_unschedulable(facts)
    selector = ", ".join(f"{key}={value}" for key, value in facts.node_selector.items())
    return bad_if(
        unschedulable or not facts.rooms,
        "capacity.nodes",
        f"none of {len(facts.rooms)} schedulable nodes{f' with {selector}' if selector else ''} accepts "
        f"{some(unschedulable) or 'any pod'}"
        if unschedulable or not facts.rooms
        else f"{len(facts.rooms)} schedulable nodes, with an eligible node for every pod of the control plane",
        "the control plane's pods would stay pending while the API is unavailable",
        "label nodes of the destination, remove their taints, or add tolerations to the HostedCluster",
    )


def _check_room(facts: Facts) -> Check:
    """Places the largest pods first, on the eligible node with the most free memory: a pod left over by this placement
    will hardly fit at all."""
    name, why = "capacity.room", "pods without room stay pending while the API is unavailable"
    cpu, memory = (sum(getattr(need, resource) or 0.0 for need in facts.needs) for resource in ("cpu", "memory"))
    requests = f"{len(facts.needs)} pods request {cpu:.1f} cores and {gibibytes(memory)}"
    todo = "add nodes to the destination; accept this check if an autoscaler adds nodes, or if the pods use less than "
    todo += "the requests"
    unplaced = [name for name in _find_unplaced(facts) if name not in _find_unschedulable(facts)]
    if unplaced:
        seen = f"{requests}; no room on the destination for {some(unplaced)}"
        return Check(name, "blocked", seen, why, todo, acceptable=True)
    without_request = [need.name for need in facts.needs if need.cpu is None or need.memory is None]
    without_capacity = [room.name for room in facts.rooms if room.cpu is None or room.memory is None]
    unknown = [
        *([f"pods without requests: {some(without_request)}"] if without_request else []),
        *([f"nodes with unknown free capacity: {some(without_capacity)}"] if without_capacity else []),
    ]
    return bad_if(
        unknown,
        name,
        f"{requests}; {'; '.join(unknown) if unknown else 'the destination has room for all pods'}",
        "the real need is unknown: a control plane with three etcd members was measured with some 19 GiB",
        "measure the usage of the control plane on the source (kubectl top pods), and compare with the destination",
        verdict="warning",
    )


def _find_unplaced(facts: Facts) -> list[str]:
    free = {room.name: [room.cpu, room.memory, room.pods] for room in facts.rooms}
    unplaced = []
    for need in sorted(facts.needs, key=lambda need: (-(need.memory or 0.0), -(need.cpu or 0.0), need.name)):
        requests = [need.cpu or 0.0, need.memory or 0.0, 1.0]
        fitting = [
            room.name
            for room in _find_eligible(need, facts)
            if all(has is None or has >= request for has, request in zip(free[room.name], requests, strict=True))
        ]
        if not fitting:
            unplaced.append(need.name)
            continue
        chosen = max(fitting, key=lambda node: (free[node][1] or 0.0, node))
        free[chosen] = [
            has if has is None else has - request for has, request in zip(free[chosen], requests, strict=True)
        ]
    return unplaced


def _check_topology(facts: Facts) -> Check:
    """Required: as many nodes, or zones, as pods with anti-affinity."""
    count = Counter((need.kind, key) for need in facts.needs for key in need.apart)
    first = {need.kind: need for need in facts.needs}
    shortages = []
    for (kind, key), wanted in sorted(count.items()):
        places = {room.labels[key] for room in _find_eligible(first[kind], facts) if key in room.labels}
        if len(places) < wanted and first[kind].name not in _find_unschedulable(facts):
            shortages.append(
                f"{wanted} pods of {kind} need {wanted} values of {key}, the destination has {len(places)}"
            )
    return bad_if(
        shortages,
        "capacity.topology",
        "; ".join(shortages) if shortages else "the destination has enough nodes and zones for pods with anti-affinity",
        "pods with anti-affinity stay pending, and etcd may lose quorum",
        "add nodes in the missing zones; or accept this check if the control plane may run without the missing members",
        acceptable=True,
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.capacity", documented="-", observe=observe, plan=plan)
