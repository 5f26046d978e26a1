"""Removes what the operator would have removed and nobody else does: the control plane namespace with its volumes, and
what this hosted cluster has outside of it (rules F4, F5). The namespaces go after the operator is back, because its
conversion webhook is needed for that. The HostedCluster's namespace stays: it may be shared."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Action, Decision, Delete, Do, Done, Refuse, Step, Topic, Wait
from hcp_dr.errors import NotOurs
from hcp_dr.kube.port import Object, Resource
from hcp_dr.kube.resources import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    DEPLOYMENT,
    NAMESPACE,
    ROLE,
    ROLE_BINDING,
)
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import labels_of, name_of
from hcp_dr.procedure.removal import Guard, Removable, proven, removable
from hcp_dr.procedure.teardown.operator_back import left_on_source

GONE_LIMIT = 600.0
OWNER_NAMESPACE = "hypershift.openshift.io/owner.namespace"
OWNER_NAME = "hypershift.openshift.io/owner.name"
_INGRESS = ("openshift-ingress", "openshift-ingress-operator")


@dataclass(frozen=True, slots=True)
class Facts:
    guard: Guard
    left: tuple[str, ...]  # of what should be gone by now
    outside: tuple[Removable, ...]  # cluster-scoped and in other namespaces
    held: tuple[Removable, ...]  # Deployments on whose finalizers the namespace hangs
    namespace: Removable | None


def outside_of(case: Case, resource: Resource, items: tuple[Object, ...]) -> tuple[Object, ...]:
    """Roles and bindings of this hosted cluster: by owner labels, or by a name that holds the whole namespace name."""
    own = case.control_plane_namespace
    names = {f"hypershift-cluster-api-{own}"} if resource == CLUSTER_ROLE_BINDING else set()
    if resource in (ROLE, ROLE_BINDING):
        names = {f"control-plane-operator-{own}"}
    return tuple(
        item
        for item in items
        if name_of(item) in names
        or (labels_of(item).get(OWNER_NAMESPACE), labels_of(item).get(OWNER_NAME)) == (case.namespace, case.name)
    )


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    source, own = ports.source, case.control_plane_namespace
    outside = [
        removable(resource, item)
        for resource in (CLUSTER_ROLE, CLUSTER_ROLE_BINDING)
        for item in outside_of(case, resource, source.list(resource).items)
    ]
    outside += [
        removable(resource, item)
        for resource in (ROLE_BINDING, ROLE)
        for namespace in _INGRESS
        for item in outside_of(case, resource, source.list(resource, namespace).items)
    ]
    namespace = source.find(NAMESPACE, own)
    return Facts(
        guard=proven(ports, case, memory),
        left=left_on_source(ports, case),
        outside=tuple(outside),
        held=tuple(removable(DEPLOYMENT, item) for item in source.list(DEPLOYMENT, own).items),
        namespace=removable(NAMESPACE, namespace) if namespace else None,
    )


def plan(facts: Facts) -> Decision:
    if facts.namespace is None and not facts.outside:
        return Done("the control plane namespace and what was outside of it are gone")
    refusal = facts.guard.refusal()
    if refusal is not None:
        return refusal
    if facts.left:
        return Refuse(NotOurs(what=f"Came back on the source: {', '.join(facts.left)}.", left="They were not touched."))
    actions: list[Action] = [_delete(item) for item in facts.outside if not item.deleting]
    actions += [item.strip(()) for item in facts.held if item.finalizers]
    if facts.namespace is not None and not facts.namespace.deleting:
        actions.append(_delete(facts.namespace))
    if actions:
        return Do(tuple(actions))
    name = facts.namespace.name if facts.namespace else "outside"
    wake = Topic("source", NAMESPACE)
    return Wait("the control plane namespace is gone", f"{name} is being deleted", GONE_LIMIT, wake)


def _delete(item: Removable) -> Delete:
    return Delete("source", item.resource, item.name, item.namespace, item.uid)


def foresee(facts: Facts) -> Facts:
    return replace(facts, guard=Guard((), (), destination_serves=True), left=())


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, outside=(), namespace=None)


STEP = Step(
    name="teardown.leftovers",
    documented="8.6.4-6,7",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
