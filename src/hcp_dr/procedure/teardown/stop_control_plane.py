"""Stops the source's HyperShift operator and everything in the control plane namespace, and sees them gone, before
anything is deleted: deleting un-pauses and terminates while they live. The operator serves other hosted clusters too,
so it is away for the shortest time, and comes back in `operator_back`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Decision, Do, Done, Refuse, Remember, Step, Topic, Wait
from hcp_dr.errors import Refused
from hcp_dr.kube.resources import AWS_ENDPOINT_SERVICE, DEPLOYMENT, POD, STATEFUL_SET
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig, name_of
from hcp_dr.procedure.fencing import FENCED
from hcp_dr.procedure.removal import OPERATOR_NAMESPACE, Guard, operator_of, proven
from hcp_dr.procedure.workloads import Workload, still_there, stop, stopping, workloads

GONE_LIMIT = 300.0


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    guard: Guard
    operator: tuple[Workload, ...]
    own: tuple[Workload, ...]  # of the control plane namespace
    volumes_at_stake: tuple[str, ...]  # StatefulSets that delete their claims when they are scaled down
    endpoint_services: Mapping[str, str]  # VPC endpoint services of its load balancers, by AWSEndpointService
    before: Mapping[str, Any] | None  # remembered: the operator's replicas


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    namespace = case.control_plane_namespace
    sets = ports.source.list(STATEFUL_SET, namespace).items
    ways = ports.source.list(AWS_ENDPOINT_SERVICE, namespace).items
    policy = ("spec", "persistentVolumeClaimRetentionPolicy", "whenScaled")
    return Facts(
        namespace=namespace,
        guard=proven(ports, case, memory),
        operator=operator_of(ports.source),
        own=workloads(ports.source, namespace, DEPLOYMENT, STATEFUL_SET),
        volumes_at_stake=tuple(name_of(item) for item in sets if dig(item, *policy) == "Delete"),
        endpoint_services={
            name_of(way): str(service) for way in ways if (service := dig(way, "status", "endpointServiceName"))
        },
        before=memory.mapping("operator_before"),
    )


def plan(facts: Facts) -> Decision:
    refusal = facts.guard.refusal()
    if refusal is not None:
        return refusal
    if facts.volumes_at_stake:
        return Refuse(
            Refused(
                what=(
                    f"StatefulSets {', '.join(facts.volumes_at_stake)} of {facts.namespace} on the source delete their "
                    "volumes when they are scaled down (whenScaled is Delete)."
                ),
                left="Nothing was scaled down on the source.",
                todo="Set persistentVolumeClaimRetentionPolicy.whenScaled to Retain, see that it stays, then resume.",
            )
        )
    if facts.before is None:
        return Do(
            (
                Remember("operator_before", {item.name: item.replicas for item in facts.operator}),
                Remember("endpoint_services", dict(facts.endpoint_services)),
            )
        )
    # The operator first: it would bring back what is stopped after it.
    for whose, group, namespace in (
        ("HyperShift operator", facts.operator, OPERATOR_NAMESPACE),
        ("control plane", facts.own, facts.namespace),
    ):
        if all(item.stopped for item in group):
            continue
        actions = stop("source", group)
        if actions:
            return Do(actions)
        wake = Topic("source", POD, namespace)
        return Wait(f"no pod of the source's {whose} is left", still_there(group), GONE_LIMIT, wake)
    return Done("the operator and everything in the control plane namespace have zero pods")


def foresee(facts: Facts) -> Facts:
    """The fence has stopped its part."""
    own = tuple(replace(item, replicas=0, pods=()) if item.name in FENCED else item for item in facts.own)
    return replace(facts, guard=Guard((), (), destination_serves=True), own=own)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.before is None:
        return replace(facts, before={})
    if any(not item.stopped for item in facts.operator):
        return replace(facts, operator=stopping(facts.operator))
    return replace(facts, own=stopping(facts.own))


STEP = Step(
    name="teardown.stop_control_plane",
    documented="8.6.4-1",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
