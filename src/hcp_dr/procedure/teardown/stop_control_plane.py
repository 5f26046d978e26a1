"""Scales all workloads of the control plane namespace and the source's HyperShift operator to zero, and verifies that
the pods are gone, before any deletion: while these controllers run, a deletion un-pauses objects and terminates
instances. The operator serves other hosted clusters too, so the step stops the operator last, after all other waits,
and `operator_back` starts the operator again; before its stop, the pause keeps the operator from restarting stopped
workloads. Only the relocation with the claim stops the operator (`operator_claim`).

A StatefulSet that would delete its volumes at scale-down is set to retain its volumes first, after
control-plane-operator is gone, and has to keep this setting for a while. Annotations for cloud cleanup are removed on
both sides before any deletion (rule E4)."""

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

RETAIN_SECONDS = 10.0
"""How long a StatefulSet has to keep whenScaled=Retain before its scale-down."""
_POLICY = ("spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")


_LEFT = "hcp-dr deletes no object on the source, and the source's HyperShift operator still runs."


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    guard: Guard
    operator: tuple[Workload, ...]
    claim: Claim  # on the operator, read before it
    own: tuple[Workload, ...]  # of the control plane namespace
    volumes_at_stake: tuple[str, ...]  # StatefulSets that delete their volume claims at scale-down
    endpoint_services: Mapping[str, str]  # VPC endpoint services of the load balancers, by AWSEndpointService
    before: Mapping[str, int] | None  # remembered: the operator's replicas
    cleaning: tuple[Patch, ...] = ()  # patches that remove the annotations for cloud cleanup, on both sides
    now: float = 0.0  # seconds since the epoch
    lifted: bool = False  # the source's HostedCluster exists and is not paused
    retained: float | None = None  # remembered: when the StatefulSets were set to retain their volumes
    alone: bool = False  # a separate teardown: no earlier step has claimed the operator


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    namespace = case.control_plane_namespace
    sets = ports.source.list(STATEFUL_SET, namespace).items
    hosted_cluster = ports.source.find(HOSTED_CLUSTER, case.name, case.namespace)
    endpoints = ports.source.list(AWS_ENDPOINT_SERVICE, namespace).items
    claim = read_claim(ports, case, "source")
    return Facts(
        namespace=namespace,
        guard=proven(ports, case, memory),
        operator=operator_of(ports.source),
        claim=claim,
        own=workloads(ports.source, namespace, DEPLOYMENT, STATEFUL_SET),
        volumes_at_stake=tuple(name_of(item) for item in sets if dig(item, *_POLICY) == "Delete"),
        endpoint_services={
            name_of(item): str(service) for item in endpoints if (service := dig(item, "status", "endpointServiceName"))
        },
        before=memory.get(OPERATOR_BEFORE),
        cleaning=(*_remove_cleanup(ports, case, "source"), *_remove_cleanup(ports, case, "destination")),
        now=ports.now(),
        lifted=hosted_cluster is not None and not is_paused(hosted_cluster),
        retained=memory.get(VOLUMES_RETAINED),
        alone=bool(memory.begun) and steps.BACKUP_CLAIM_OPERATOR not in memory.begun,
    )


def _remove_cleanup(ports: Ports, case: Case, side: Side) -> tuple[Patch, ...]:
    cluster, namespace = ports.cluster(side), case.control_plane_namespace
    objects = (
        (HOSTED_CLUSTER, cluster.find(HOSTED_CLUSTER, case.name, case.namespace)),
        (HOSTED_CONTROL_PLANE, cluster.find(HOSTED_CONTROL_PLANE, case.name, namespace)),
    )
    without = {"metadata": {"annotations": {CLEANUP_CLOUD_RESOURCES: None}}}
    return tuple(
        Patch(side, resource, name_of(item), namespace_of(item), without)
        for resource, item in objects
        if item is not None and CLEANUP_CLOUD_RESOURCES in annotations_of(item)
    )


def plan(facts: Facts) -> Decision:
    refusal = facts.guard.refusal()
    if refusal is not None:
        return refusal
    if facts.lifted:
        return Refuse(
            FenceBroken(
                what="The HostedCluster on the source is not paused: its operator would restart stopped pods.",
                left=Untouched(
                    "Nothing of the source was torn down.",
                    since=("teardown",),
                    besides="Two control planes may be taking writes.",
                ),
                todo=f"Find out who lifted the pause, then run {RESUME} to fence the source again.",
            )
        )
    unregistered = facts.claim.registered(_LEFT)
    if unregistered is not None:
        return unregistered
    if facts.before is None:
        return Do(
            (
                OPERATOR_BEFORE.remember(_replicas(facts)),
                ENDPOINT_SERVICES.remember(dict(facts.endpoint_services)),
            )
        )
    if facts.cleaning:
        return Do(facts.cleaning)
    reconcilers = tuple(item for item in facts.own if item.name in RECONCILERS)
    sets = [item for item in facts.own if item.kind == STATEFUL_SET.kind and item.replicas]
    if all(item.stopped for item in reconcilers) and sets:
        if facts.volumes_at_stake:
            return _retain(facts)
        if facts.retained is not None and facts.now - facts.retained < RETAIN_SECONDS:
            return Wait(
                "whenScaled of the StatefulSets stays Retain",
                f"for {facts.now - facts.retained:.0f} of {RETAIN_SECONDS:.0f} s",
                timeouts.VOLUMES_RETAINED.seconds,
            )
    return _stop(facts, reconcilers) or _done(facts.before)


def _stop(facts: Facts, reconcilers: tuple[Workload, ...]) -> Decision | None:
    """One group after another; the operator is shared with other relocations."""
    for owner, group, namespace in (
        (CONTROL_PLANE_OPERATOR, reconcilers, facts.namespace),
        ("control plane", facts.own, facts.namespace),
        ("HyperShift operator", facts.operator, OPERATOR_NAMESPACE),
    ):
        shared = facts.claim.stopping(group, facts.before or {}, _LEFT) if namespace == OPERATOR_NAMESPACE else None
        if shared is not None:
            return shared
        if all(item.stopped for item in group):
            continue
        actions = stop("source", group)
        if actions:
            return Do(actions)
        wake = WatchTarget("source", POD, namespace)
        return Wait(
            f"no pod of the source's {owner} is left", still_there(group), timeouts.CONTROL_PLANE_STOPPED.seconds, wake
        )
    return None


def _done(before: Mapping[str, int]) -> Done:
    because = "the operator and all workloads of the control plane namespace have zero pods"
    if not any(before.values()):
        because += "; the operator had zero replicas before, set by no known relocation"
    return Done(because)


def _replicas(facts: Facts) -> dict[str, int]:
    """If another relocation has the operator stopped, the replicas before that."""
    before = facts.claim.before
    return {item.name: item.replicas if before is None else before for item in facts.operator}


def _retain(facts: Facts) -> Do:
    """If another client reverts the setting, the step patches again; the third revert is an error with the client's
    name."""
    patch = {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Retain"}}}
    actions: list[Action] = [VOLUMES_RETAINED.remember(facts.now)]
    actions += [Patch("source", STATEFUL_SET, name, facts.namespace, patch) for name in facts.volumes_at_stake]
    return Do(tuple(actions))


def foresee(facts: Facts) -> Facts:
    """Facts as if the fence has stopped its workloads."""
    own = tuple(replace(item, replicas=0, pods=()) if item.name in FENCED else item for item in facts.own)
    claim = facts.claim if facts.alone else facts.claim.held()
    return replace(facts, guard=Guard((), (), destination_serves=True), own=own, lifted=False, claim=claim)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    is_starting = isinstance(decision, Wait) and any(each.state == "starting" for each in facts.claim.stoppers)
    claim = facts.claim.unshared() if is_starting else facts.claim.after(decision)
    if claim != facts.claim:
        return replace(facts, claim=claim)
    if facts.before is None:
        return replace(facts, before=_replicas(facts))
    if facts.cleaning:
        return replace(facts, cleaning=())
    reconcilers = tuple(item for item in facts.own if item.name in RECONCILERS)
    if any(not item.stopped for item in reconcilers):
        stopped = {item.name: item for item in stopping(reconcilers)}
        return replace(facts, own=tuple(stopped.get(item.name, item) for item in facts.own))
    if isinstance(decision, Do) and any(isinstance(action, Remember) for action in decision.actions):
        return replace(facts, volumes_at_stake=(), retained=facts.now)
    if isinstance(decision, Wait) and facts.retained is not None and facts.now - facts.retained < RETAIN_SECONDS:
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
        timeouts.OPERATOR_FREE,
        timeouts.CONTROL_PLANE_STOPPED,
    ),
    foresee=foresee,
    afterwards=afterwards,
)
