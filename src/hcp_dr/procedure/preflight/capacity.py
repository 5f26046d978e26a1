"""Has the destination room for the control plane? Its pods ask there for what they ask for here: CPU, memory, nodes
with certain labels, taints that they bear, and several nodes or zones for those that must not stand together."""

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
    """One pod of the control plane. `cpu` in cores and `memory` in bytes, None where it asks for none."""

    name: str
    cpu: float | None
    memory: float | None
    tolerations: tuple[Mapping[str, str], ...] = ()
    apart: tuple[str, ...] = ()  # topology keys in which no two of its kind may stand together
    kind: str = ""  # what they have in common: the workload


@dataclass(frozen=True, slots=True)
class Room:
    """A node of the destination that takes pods: what of it is free. None where it does not tell what it has."""

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
    tolerations: tuple[Mapping[str, str], ...]  # of the HostedCluster, for all of its pods


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    hosted_cluster = ports.source.get(HOSTED_CLUSTER, case.name, case.namespace)
    pods = ports.source.list(POD, case.control_plane_namespace).items
    placed = look_for(ports.destination, POD)
    return Facts(
        needs=tuple(_need(pod) for pod in pods if not _ended(pod)),
        rooms=tuple(_room(node, placed) for node in ports.destination.list(NODE).items if takes_pods(node)),
        node_selector=dict(dig(hosted_cluster, "spec", "nodeSelector") or {}),
        tolerations=words(dig(hosted_cluster, "spec", "tolerations")),
    )


def _ended(pod: Object) -> bool:
    return dig(pod, "status", "phase") in _ENDED


def _asked(pod: Object, resource: str) -> float | None:
    """As the scheduler counts: all containers together, or the greediest of those that go before them."""

    def of(containers: str) -> list[float]:
        found = (dig(each, "resources", "requests", resource) for each in dig(pod, "spec", containers) or ())
        return [number(value) for value in found if value is not None]

    own, before = of("containers"), of("initContainers")
    return max(sum(own), *before) if before else sum(own) if own else None


def _need(pod: Object) -> Need:
    required = dig(pod, "spec", "affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution") or ()
    owner: Mapping[str, object] = next(iter(pod["metadata"].get("ownerReferences") or ()), {})
    return Need(
        name=name_of(pod),
        cpu=_asked(pod, "cpu"),
        memory=_asked(pod, "memory"),
        tolerations=words(dig(pod, "spec", "tolerations")),
        apart=tuple(sorted({str(term.get("topologyKey")) for term in required})),
        kind=f"{owner.get('kind', '')} {owner.get('name', name_of(pod))}".strip(),
    )


def _room(node: Object, pods: Iterable[Object] | None) -> Room:
    """`pods` are all that stand anywhere; None where nobody may look, so that nothing is known to be free."""
    here = [pod for pod in pods or () if dig(pod, "spec", "nodeName") == name_of(node) and not _ended(pod)]
    has = dig(node, "status", "allocatable") or {}

    def free(resource: str) -> float | None:
        if resource not in has or pods is None:
            return None
        return number(has[resource]) - sum(_asked(pod, resource) or 0.0 for pod in here)

    most = number(has["pods"]) if "pods" in has else _DEFAULT_PODS
    taints = words(dig(node, "spec", "taints"))
    return Room(name_of(node), free("cpu"), free("memory"), most - len(here), dict(labels_of(node)), taints)


def _open_to(need: Need, facts: Facts) -> tuple[Room, ...]:
    """The nodes on which the pod may stand, full or not."""
    tolerations = (*need.tolerations, *facts.tolerations)
    return tuple(room for room in facts.rooms if open_to(room.labels, room.taints, facts.node_selector, tolerations))


def checks(facts: Facts) -> tuple[Check, ...]:
    return (_nodes(facts), _room_for_all(facts), _apart(facts))


def _homeless(facts: Facts) -> tuple[str, ...]:
    """Pods that may stand on no node at all."""
    return tuple(need.name for need in facts.needs if not _open_to(need, facts))


def _nodes(facts: Facts) -> Check:
    homeless = _homeless(facts)
    selector = ", ".join(f"{key}={value}" for key, value in facts.node_selector.items())
    return bad_if(
        homeless or not facts.rooms,
        "capacity.nodes",
        f"of {len(facts.rooms)} nodes that take pods none{f' with {selector}' if selector else ''} takes "
        f"{some(homeless) or 'anything'}"
        if homeless or not facts.rooms
        else f"{len(facts.rooms)} nodes take pods, and each pod of the control plane may stand on one of them",
        "the control plane's pods would stay pending while the API is away",
        "label nodes of the destination, take their taints, or give the HostedCluster tolerations for them",
    )


def _room_for_all(facts: Facts) -> Check:
    """The greediest first, each on the emptiest node that may take it: what does not fit so will hardly fit at all."""
    name, why = "capacity.room", "pods that find no room stay pending while the API is away"
    cpu, memory = (sum(getattr(need, word) or 0.0 for need in facts.needs) for word in ("cpu", "memory"))
    wanted = f"{len(facts.needs)} pods ask for {cpu:.1f} cores and {gibibytes(memory)}"
    todo = "add nodes to the destination; accept this when its autoscaler does so, or when they share what they ask for"
    left = [name for name in _left_over(facts) if name not in _homeless(facts)]
    if left:
        seen = f"{wanted}; no room on the destination for {some(left)}"
        return Check(name, "blocked", seen, why, todo, acceptable=True)
    silent = [need.name for need in facts.needs if need.cpu is None or need.memory is None]
    mute = [room.name for room in facts.rooms if room.cpu is None or room.memory is None]
    unknown = [
        *([f"pods that say nothing: {some(silent)}"] if silent else []),
        *([f"nodes that say nothing: {some(mute)}"] if mute else []),
    ]
    return bad_if(
        unknown,
        name,
        f"{wanted}; {'; '.join(unknown) if unknown else 'the destination has room for them'}",
        "what they need in truth is not known: a control plane of three members was seen to take some 19 GiB",
        "look at what the control plane uses here (kubectl top pods), and whether the destination has it",
        verdict="warning",
    )


def _left_over(facts: Facts) -> list[str]:
    free = {room.name: [room.cpu, room.memory, room.pods] for room in facts.rooms}
    left = []
    for need in sorted(facts.needs, key=lambda need: (-(need.memory or 0.0), -(need.cpu or 0.0), need.name)):
        wanted = [need.cpu or 0.0, need.memory or 0.0, 1.0]
        fitting = [
            room.name
            for room in _open_to(need, facts)
            if all(has is None or has >= asks for has, asks in zip(free[room.name], wanted, strict=True))
        ]
        if not fitting:
            left.append(need.name)
            continue
        chosen = max(fitting, key=lambda each: (free[each][1] or 0.0, each))
        free[chosen] = [has if has is None else has - asks for has, asks in zip(free[chosen], wanted, strict=True)]
    return left


def _apart(facts: Facts) -> Check:
    """As many nodes, or zones, as there are pods that must not stand together."""
    count = Counter((need.kind, key) for need in facts.needs for key in need.apart)
    first = {need.kind: need for need in facts.needs}
    lacking = []
    for (kind, key), wanted in sorted(count.items()):
        places = {room.labels[key] for room in _open_to(first[kind], facts) if key in room.labels}
        if len(places) < wanted and first[kind].name not in _homeless(facts):
            lacking.append(f"{wanted} pods of {kind} need as many values of {key}, there are {len(places)}")
    return bad_if(
        lacking,
        "capacity.topology",
        "; ".join(lacking) if lacking else "there are as many nodes and zones as its pods stand apart in",
        "those that must not stand together stay pending, and etcd may miss its quorum",
        "add nodes in the zones that are missing; or accept this when the missing members are bearable",
        acceptable=True,
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.capacity", documented="-", observe=observe, plan=plan)
