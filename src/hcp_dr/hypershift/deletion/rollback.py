"""Deletes this relocation's objects from the destination while an abort is possible (rule A1): by the protocol of
`deletion.protocol`, and only objects with this relocation's annotation.

The destination's HyperShift operator adds its finalizer even to a paused HostedCluster, and finishes its deletion by
un-pausing Cluster API, deleting machines and wiping OIDC documents. So it has zero pods during the deletion of the
HostedCluster and its NodePools, and no longer: other hosted clusters need it; concurrent aborts on the same destination
share the stop (`operator_claim`). No controller acts on the other restored objects (rule D)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Do, Done, Refuse, Wait, WatchTarget
from hcp_dr.errors import RESUME, PastNoReturn
from hcp_dr.hypershift import scope, timeouts
from hcp_dr.hypershift.backup_objects import is_ours
from hcp_dr.hypershift.deletion import no_return
from hcp_dr.hypershift.deletion.foreign import is_default, read_content
from hcp_dr.hypershift.deletion.no_return import Started
from hcp_dr.hypershift.deletion.protocol import (
    Removable,
    dangerous_alive,
    operator_of,
    removable,
    remove,
    running,
    uncounted_pods,
)
from hcp_dr.hypershift.inventory import MACHINERY
from hcp_dr.hypershift.operator_claim import Claim, halfway, read_claim
from hcp_dr.hypershift.state import DESTINATION_OPERATOR_BEFORE
from hcp_dr.hypershift.workloads import Workload, still_there, stop
from hcp_dr.kube.port import Object, Resource
from hcp_dr.kube.resources import (
    HOSTED_CLUSTER,
    NODE_POOL,
    POD,
)
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import annotations_of, dig, labels_of, name_of, namespace_of
from hcp_dr.upstream import NODE_POOL_ANNOTATION, OPERATOR, OPERATOR_NAMESPACE

_DEADLY = tuple(resource.kind for resource in (HOSTED_CLUSTER, NODE_POOL, *MACHINERY))
"""Kinds that must not be deleted with a namespace, with any owner: a running controller could finish their deletion."""


@dataclass(frozen=True, slots=True)
class Made:
    """The objects of this relocation on the destination, and running controllers that would act on them."""

    items: tuple[Removable, ...]
    alive: tuple[str, ...] = ()  # of the control plane namespace
    kept: tuple[str, ...] = ()  # created by this relocation, and now used by other hosted clusters


def made(ports: Ports, case: Case, resources: Iterable[Resource], namespace: str) -> tuple[Removable, ...]:
    return tuple(
        removable(resource, item, "destination")
        for resource in resources
        for item in ports.destination.list(resource, namespace).items
        if is_ours(item, case.backup_id) and _is_of(case, resource, item)
    )


def _is_of(case: Case, resource: Resource, item: Object) -> bool:
    """In the shared namespace of hosted clusters, the cluster's name must match besides the annotation."""
    owners = {HOSTED_CLUSTER: name_of(item), NODE_POOL: str(dig(item, "spec", "clusterName"))}
    return owners.get(resource, case.name) == case.name


def alive(ports: Ports, case: Case) -> tuple[str, ...]:
    """Of the control plane namespace, and operator pods without a Deployment; the Deployment itself is stopped."""
    operator = operator_of(ports.destination)
    left = uncounted_pods(ports.destination, OPERATOR_NAMESPACE, (OPERATOR,), operator)
    return (*running(ports.destination, case), *left)


def strangers(ports: Ports, case: Case, namespace: str) -> tuple[str, ...]:
    """Objects for which a namespace of the destination is kept: all except harmless objects of this relocation, objects
    created for it by the operator there, and the defaults of every namespace. Kinds that could not be listed count."""
    content = read_content(ports.destination, namespace)
    foreign = (
        f"{item['kind']} {name_of(item)}"
        for item in content.items
        if not (_is_harmless(case, item) or is_default(item) or _is_made_for(case, item))
    )
    return (*foreign, *(f"perhaps {kind}" for kind in content.unseen))


def _is_harmless(case: Case, item: Object) -> bool:
    return item["kind"] not in _DEADLY and is_ours(item, case.backup_id)


def _is_made_for(case: Case, item: Object) -> bool:
    """Token secrets and tuning of its NodePools."""
    named = (annotations_of(item).get(NODE_POOL_ANNOTATION), labels_of(item).get(NODE_POOL_ANNOTATION))
    pools = {name for pool in case.node_pools for name in (pool, f"{case.namespace}/{pool}")}
    return namespace_of(item) == case.control_plane_namespace and bool(pools & set(named))


def revert(facts: Made) -> Decision:
    """Removes the kinds in the order of the list, one after another."""
    if facts.items:
        first = facts.items[0].resource
        return dangerous_alive("destination", facts.alive) or remove(
            tuple(item for item in facts.items if item.resource == first)
        )
    if not facts.kept:
        return Done("no such object of this relocation is left")
    message = f"left on the destination, because other hosted clusters use them: {', '.join(facts.kept)}"
    return Done(message, (Check("in_use", "warning", message, "other hosted clusters need them"),))


@dataclass(frozen=True, slots=True)
class Governed:
    """Objects on which the destination's HyperShift operator acts: HostedCluster or NodePools of this relocation."""

    items: tuple[Removable, ...]
    alive: tuple[str, ...]
    operator: tuple[Workload, ...]
    claim: Claim  # on the operator
    operator_before: Mapping[str, Any] | None  # remembered: replicas by Deployment
    started: Started
    halfway: tuple[str, ...] = ()  # paused objects of other hosted clusters in deletion


def governed(ports: Ports, case: Case, memory: RunState, resource: Resource) -> Governed:
    claim = read_claim(ports, case, "destination")
    return Governed(
        items=made(ports, case, (resource,), case.namespace),
        alive=alive(ports, case),
        operator=operator_of(ports.destination),
        claim=claim,
        halfway=halfway(ports.destination, case),
        operator_before=scope.replicas(memory, DESTINATION_OPERATOR_BEFORE, (OPERATOR,)),
        started=no_return.read_started(ports, case, memory),
    )


def remove_governed(facts: Governed, dangerous: tuple[str, ...] = ()) -> Decision | None:
    """The next round of the removal, None once finished. The operator stays stopped."""
    if not facts.items:
        return None
    stopped = all(item.stopped for item in facts.operator)
    started = facts.started
    # An operator without pods cannot have acted on a later un-pausing.
    if started.control_plane or (started.unpaused and not stopped):
        return _refuse_started(facts, stopped=stopped)
    unregistered = facts.claim.registered("Nothing was deleted on the destination; the source stays fenced.")
    if unregistered is not None:
        return unregistered
    if facts.operator_before is None:
        before = facts.claim.before
        replicas = {item.name: item.replicas if before is None else before for item in facts.operator}
        return Do((DESTINATION_OPERATOR_BEFORE.remember(replicas),))
    shared = facts.claim.stopping(facts.operator, facts.operator_before, "")
    if shared is not None:
        return shared
    if not stopped:
        actions = stop("destination", facts.operator)
        if actions:
            return Do(actions)
        wake = WatchTarget("destination", POD, OPERATOR_NAMESPACE)
        running = still_there(facts.operator)
        return Wait(
            "no pod of the destination's HyperShift operator is left", running, timeouts.OPERATOR_STOPPED.seconds, wake
        )
    return dangerous_alive("destination", facts.alive) or remove(facts.items, dangerous)


def _refuse_started(facts: Governed, *, stopped: bool) -> Refuse:
    """Another client let the control plane start during the abort."""
    why = "another client un-paused the destination's HostedCluster during the abort"
    left = "The remaining objects stay as they are; the source stays fenced."
    if stopped and facts.operator_before:
        replicas = ", ".join(f"{name} had {count}" for name, count in facts.operator_before.items())
        left += f" The destination's HyperShift operator is stopped ({replicas} replicas)."
    todo = (
        "Find out which client did it. If its API never served: pause the HostedCluster again, scale its Deployments "
        f"to 0, delete the HostedControlPlane without its finalizers, then run {RESUME}. Else keep the destination."
    )
    return Refuse(PastNoReturn(why=why, left=left, todo=todo))


def bring_operator_back(facts: Governed) -> Decision | None:
    """The last relocation with the operator stopped restores its replicas, once no object is left whose deletion it
    would finish. Any other does not wait for that: the source stays unavailable until its fence is lifted."""
    if facts.claim.stoppers:
        return facts.claim.given_back()
    return facts.claim.returned(facts.operator, facts.operator_before or {}, facts.halfway)
