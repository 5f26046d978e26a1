"""Stops everything in the control plane namespace and the source's HyperShift operator, and sees them gone, before
anything is deleted: deleting un-pauses and terminates while they live. The operator serves other hosted clusters too,
so it goes last, when nothing else is left to be waited for, and comes back in `operator_back`: the pause keeps it from
bringing back what is stopped before it. Only whoever holds the claim on it stops it (`operator_claim`).

A StatefulSet that would delete its volumes when it is scaled down is told to retain them first, with
control-plane-operator gone, and is seen to keep that for a while. Orders to clean the cloud are taken off both sides
before any deletion (rule E4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Action, Decision, Do, Done, Patch, Refuse, Step, Wait, WatchTarget
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import RESUME, FenceBroken
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.deletion.protocol import Guard, operator_of, proven
from hcp_dr.hypershift.fence.state import FENCED, RECONCILERS, is_paused
from hcp_dr.hypershift.operator_claim import Claim, read_claim
from hcp_dr.hypershift.state import ENDPOINT_SERVICES, OPERATOR_BEFORE, VOLUMES_RETAINED
from hcp_dr.hypershift.workloads import Workload, still_there, stop, stopping, workloads
from hcp_dr.kube.resources import (
    AWS_ENDPOINT_SERVICE,
    DEPLOYMENT,
    HOSTED_CLUSTER,
    HOSTED_CONTROL_PLANE,
    POD,
    STATEFUL_SET,
)
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.reading import annotations_of, dig, name_of, namespace_of
from hcp_dr.upstream import CLEANUP_CLOUD_RESOURCES, CONTROL_PLANE_OPERATOR, OPERATOR_NAMESPACE

STAYS = 10.0
"""Seconds for which a StatefulSet is seen to retain its volumes before it is scaled down."""
_POLICY = ("spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    guard: Guard
    operator: tuple[Workload, ...]
    claim: Claim  # on it
    own: tuple[Workload, ...]  # of the control plane namespace
    volumes_at_stake: tuple[str, ...]  # StatefulSets that delete their claims when they are scaled down
    endpoint_services: Mapping[str, str]  # VPC endpoint services of its load balancers, by AWSEndpointService
    before: Mapping[str, int] | None  # remembered: the operator's replicas
    cleaning: tuple[Patch, ...] = ()  # what takes off the orders to clean the cloud, on both sides
    now: float = 0.0  # seconds since the epoch
    lifted: bool = False  # the source's HostedCluster is there and not paused
    retained: float | None = None  # remembered: when the StatefulSets were told to retain their volumes
    alone: bool = False  # a teardown by itself: nothing before it has claimed the operator


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    namespace = case.control_plane_namespace
    sets = ports.source.list(STATEFUL_SET, namespace).items
    hosted_cluster = ports.source.find(HOSTED_CLUSTER, case.name, case.namespace)
    ways = ports.source.list(AWS_ENDPOINT_SERVICE, namespace).items
    return Facts(
        namespace=namespace,
        guard=proven(ports, case, memory),
        operator=operator_of(ports.source),
        claim=read_claim(ports, case, "source"),
        own=workloads(ports.source, namespace, DEPLOYMENT, STATEFUL_SET),
        volumes_at_stake=tuple(name_of(item) for item in sets if dig(item, *_POLICY) == "Delete"),
        endpoint_services={
            name_of(way): str(service) for way in ways if (service := dig(way, "status", "endpointServiceName"))
        },
        before=memory.get(OPERATOR_BEFORE),
        cleaning=(*_cleaning(ports, case, "source"), *_cleaning(ports, case, "destination")),
        now=ports.now(),
        lifted=hosted_cluster is not None and not is_paused(hosted_cluster),
        retained=memory.get(VOLUMES_RETAINED),
        alone=bool(memory.begun) and steps.BACKUP_CLAIM_OPERATOR not in memory.begun,
    )


def _cleaning(ports: Ports, case: Case, side: Side) -> tuple[Patch, ...]:
    cluster, namespace = ports.cluster(side), case.control_plane_namespace
    there = (
        (HOSTED_CLUSTER, cluster.find(HOSTED_CLUSTER, case.name, case.namespace)),
        (HOSTED_CONTROL_PLANE, cluster.find(HOSTED_CONTROL_PLANE, case.name, namespace)),
    )
    without = {"metadata": {"annotations": {CLEANUP_CLOUD_RESOURCES: None}}}
    return tuple(
        Patch(side, resource, name_of(item), namespace_of(item), without)
        for resource, item in there
        if item is not None and CLEANUP_CLOUD_RESOURCES in annotations_of(item)
    )


def plan(facts: Facts) -> Decision:
    refusal = facts.guard.refusal()
    if refusal is not None:
        return refusal
    if facts.lifted:
        return Refuse(
            FenceBroken(
                what="The HostedCluster is not paused on the source: whatever is stopped there would come back.",
                left=Untouched(
                    "Nothing of the source was torn down.",
                    since=("teardown",),
                    besides="Two control planes may be taking writes.",
                ),
                todo=f"Find out who lifted the pause, then run {RESUME}: it closes the source again.",
            )
        )
    unclaimed = facts.claim.needed("Nothing is deleted on the source, and its operator goes on.")
    if unclaimed is not None:
        return unclaimed
    if facts.before is None:
        return Do(
            (
                OPERATOR_BEFORE.remember({item.name: item.replicas for item in facts.operator}),
                ENDPOINT_SERVICES.remember(dict(facts.endpoint_services)),
            )
        )
    if facts.cleaning:
        return Do(facts.cleaning)
    keepers = tuple(item for item in facts.own if item.name in RECONCILERS)
    sets = [item for item in facts.own if item.kind == STATEFUL_SET.kind and item.replicas]
    if all(item.stopped for item in keepers) and sets:
        if facts.volumes_at_stake:
            return _retain(facts)
        if facts.retained is not None and facts.now - facts.retained < STAYS:
            until = "whenScaled stays Retain, whoever else may write it"
            return Wait(
                until, f"since {facts.now - facts.retained:.0f} of {STAYS:.0f} s", timeouts.VOLUMES_RETAINED.seconds
            )
    for whose, group, namespace in (
        (CONTROL_PLANE_OPERATOR, keepers, facts.namespace),
        ("control plane", facts.own, facts.namespace),
        ("HyperShift operator", facts.operator, OPERATOR_NAMESPACE),
    ):
        if all(item.stopped for item in group):
            continue
        actions = stop("source", group)
        if actions:
            return Do(actions)
        wake = WatchTarget("source", POD, namespace)
        return Wait(
            f"no pod of the source's {whose} is left", still_there(group), timeouts.CONTROL_PLANE_STOPPED.seconds, wake
        )
    because = "the operator and everything in the control plane namespace have zero pods"
    if not any(facts.before.values()):
        because += "; the operator had none before, and no relocation is known that stopped it"
    return Done(because)


def _retain(facts: Facts) -> Do:
    """Whoever puts it back between two looks has us here again, and is named when it happens a third time."""
    patch = {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Retain"}}}
    actions: list[Action] = [VOLUMES_RETAINED.remember(facts.now)]
    actions += [Patch("source", STATEFUL_SET, name, facts.namespace, patch) for name in facts.volumes_at_stake]
    return Do(tuple(actions))


def foresee(facts: Facts) -> Facts:
    """The fence has stopped its part."""
    own = tuple(replace(item, replicas=0, pods=()) if item.name in FENCED else item for item in facts.own)
    claim = facts.claim if facts.alone else facts.claim.held()
    return replace(facts, guard=Guard((), (), destination_serves=True), own=own, lifted=False, claim=claim)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if not facts.claim.is_ours:
        return replace(facts, claim=facts.claim.held())
    if facts.before is None:
        return replace(facts, before={item.name: item.replicas for item in facts.operator})
    if facts.cleaning:
        return replace(facts, cleaning=())
    keepers = tuple(item for item in facts.own if item.name in RECONCILERS)
    if any(not item.stopped for item in keepers):
        stopped = {item.name: item for item in stopping(keepers)}
        return replace(facts, own=tuple(stopped.get(item.name, item) for item in facts.own))
    if isinstance(decision, Do) and any(isinstance(action, Remember) for action in decision.actions):
        return replace(facts, volumes_at_stake=(), retained=facts.now)
    if isinstance(decision, Wait) and facts.retained is not None and facts.now - facts.retained < STAYS:
        return replace(facts, retained=None)
    if any(not item.stopped for item in facts.own):
        return replace(facts, own=stopping(facts.own))
    return replace(facts, operator=stopping(facts.operator))


STEP = Step(
    name=steps.TEARDOWN_STOP_CONTROL_PLANE,
    documented="8.6.4-1",
    observe=observe,
    plan=plan,
    waits=(
        timeouts.VOLUMES_RETAINED,
        timeouts.CONTROL_PLANE_STOPPED,
    ),
    foresee=foresee,
    afterwards=afterwards,
)
