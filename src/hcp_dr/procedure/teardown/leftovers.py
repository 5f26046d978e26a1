"""Removes objects that normally only the operator removes: the control plane namespace with its volumes, the hosted
cluster's objects outside of this namespace, the operator's annotations on the inputs, and node reservations (rules F4,
F5). The namespace is deleted after the return of the operator, because the deletion needs the operator's conversion
webhook. The HostedCluster's namespace stays, because it may be shared."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Action, Check, Decision, Delete, Do, Done, Patch, Refuse, Step, Wait, WatchTarget
from hcp_dr.errors import RESUME, NotOurs
from hcp_dr.hypershift import timeouts
from hcp_dr.hypershift.deletion.foreign import GRANT, NOTHING_FOREIGN, Foreign, find_foreign, unaccepted
from hcp_dr.hypershift.deletion.protocol import Guard, Removable, proven, removable
from hcp_dr.hypershift.deletion.remains import left_on_source, outside, taken_nodes
from hcp_dr.hypershift.operator_claim import stopped_on
from hcp_dr.hypershift.state import ENDPOINT_SERVICES
from hcp_dr.hypershift.workloads import workloads
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import CONFIG_MAP, DEPLOYMENT, NAMESPACE, NODE, SECRET
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import annotations_of, dig, is_deleting, labels_of, name_of, namespace_of
from hcp_dr.objects.select import reference_mark
from hcp_dr.upstream import CLUSTER_ANNOTATION, OPERATOR, OPERATOR_NAMESPACE, TAKEN_NODE_LABELS

_INPUTS = {resource.kind: resource for resource in (SECRET, CONFIG_MAP)}
_CONTENT = re.compile(r"(\S+) has \d+ resource instances")
_LOAD_BALANCER = "service.kubernetes.io/load-balancer-cleanup"
_HANGING = ("NamespaceFinalizersRemaining", "NamespaceContentRemaining")


@dataclass(frozen=True, slots=True)
class Facts:
    guard: Guard
    remaining: tuple[str, ...]  # objects of earlier steps that should be gone
    outside: tuple[Removable, ...]  # cluster-scoped and in other namespaces
    nodes: tuple[Object, ...]  # reserved for this hosted cluster's pods
    inputs: tuple[
        Object, ...
    ]  # Secrets and ConfigMaps, perhaps shared, with the operator's annotation for this cluster
    mark: str  # this annotation
    held: tuple[Removable, ...]  # Deployments whose finalizers block the deletion of the namespace
    namespace: Removable | None
    hanging: str = ""  # the namespace's messages about remaining content
    endpoint_services: tuple[str, ...] = ()  # remembered: VPC endpoint services of the load balancers
    foreign: Foreign = NOTHING_FOREIGN  # in the namespace, not accepted at the beginning
    converted: bool = True  # whether the source's HyperShift operator has a pod with the conversion webhook

    @property
    def waits_for_load_balancer(self) -> bool:
        """Whether Services are the only content that is left in the namespace."""
        return {*_CONTENT.findall(self.hanging)} == {"services."} and _LOAD_BALANCER in self.hanging


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source, own = ports.source, case.control_plane_namespace
    namespace = source.find(NAMESPACE, own)
    mark = reference_mark(case.name)
    inputs = (item for resource in (SECRET, CONFIG_MAP) for item in source.list(resource, case.namespace).items)
    stands = namespace is not None and not is_deleting(namespace)
    waiting = [c for c in dig(namespace, "status", "conditions") or () if c.get("status") == "True"]
    return Facts(
        guard=proven(ports, case, memory),
        remaining=left_on_source(ports, case),
        outside=tuple(removable(resource, item) for resource, item in outside(source, case)),
        nodes=taken_nodes(source, case),
        inputs=tuple(item for item in inputs if mark in annotations_of(item)),
        mark=mark,
        held=tuple(removable(DEPLOYMENT, item) for item in source.list(DEPLOYMENT, own).items),
        namespace=removable(NAMESPACE, namespace) if namespace else None,
        endpoint_services=tuple((memory.get(ENDPOINT_SERVICES) or {}).values()),
        foreign=unaccepted(find_foreign(source, own, ports.destination), memory) if stands else NOTHING_FOREIGN,
        converted=any(w.pods for w in workloads(source, OPERATOR_NAMESPACE, DEPLOYMENT) if w.name == OPERATOR),
        hanging="; ".join(str(c.get("message")) for c in waiting if c.get("type") in _HANGING),
    )


def plan(facts: Facts) -> Decision:
    if facts.namespace is None and not (facts.outside or facts.nodes or facts.inputs):
        return Done("the control plane namespace and the objects outside of it are gone", _check_cloud(facts))
    refusal = facts.guard.refusal()
    if refusal is not None:
        return refusal
    if facts.remaining:
        return Refuse(
            NotOurs(
                what=f"Removed objects exist again on the source: {', '.join(facts.remaining)}.",
                left="These objects were not touched.",
            )
        )
    actions: list[Action] = [_delete(item) for item in facts.outside if not item.deleting]
    actions += [_release(node) for node in facts.nodes]
    actions += [
        Patch("source", _INPUTS[item["kind"]], name_of(item), namespace_of(item), _without(facts.mark))
        for item in facts.inputs
    ]
    if facts.foreign == NOTHING_FOREIGN:
        actions += [item.strip(()) for item in facts.held if item.finalizers]
        if facts.namespace is not None and not facts.namespace.deleting:
            actions.append(_delete(facts.namespace))
    elif facts.namespace is not None and not actions:
        return Refuse(_foreign(facts.namespace.name, facts.foreign))
    if actions:
        return Do(tuple(actions))
    left = _leave_to_owner(facts)
    if left is not None and facts.waits_for_load_balancer:
        return left
    return Wait(
        "the control plane namespace is gone",
        _describe_deletion(facts),
        timeouts.NAMESPACE_GONE.seconds,
        WatchTarget("source", NAMESPACE),
        then=left,
    )


def _foreign(namespace: str, found: Foreign) -> NotOurs:
    unseen = f" Kinds that could not be listed: {', '.join(found.unseen)}." if found.unseen else ""
    listed = f" It has foreign objects: {', '.join(found.names)}." if found.names else ""
    todo = "Move the foreign objects to another namespace, or delete them. " if found.names else ""
    todo += f"{GRANT[0].upper()}{GRANT[1:]}. " if found.unseen else ""
    return NotOurs(
        what=f"Namespace {namespace} on the source is not deleted, because nothing shows that all of its objects "
        f"belong to the hosted cluster.{listed}{unseen}",
        left="The namespace and its objects stay as they are; the hosted cluster serves on the destination.",
        todo=f"{todo}Then run {RESUME}.",
    )


def _leave_to_owner(facts: Facts) -> Done | None:
    """Only the owner of a VPC endpoint service may delete it. The namespace is then gone as soon as its load balancer
    is, and nothing else of the relocation depends on it."""
    if not facts.endpoint_services or facts.namespace is None:
        return None
    name, ids = facts.namespace.name, " ".join(each.rpartition(".")[2] for each in facts.endpoint_services)
    check = Check(
        "vpc_endpoint_services",
        "warning",
        f"namespace {name} of the source is being deleted, and waits for its load balancer, which AWS keeps for VPC "
        f"endpoint services: {', '.join(facts.endpoint_services)}",
        "until they are deleted, the namespace and the load balancer stay on the source; the destination does not use "
        "them",
        f"reject their connections, then run `aws ec2 delete-vpc-endpoint-service-configurations --service-ids {ids}`",
    )
    return Done(f"namespace {name} is being deleted, and is gone when its VPC endpoint services are", (check,))


def _describe_deletion(facts: Facts) -> str:
    name = facts.namespace.name if facts.namespace else "outside"
    seen = f"{name} is being deleted" + (f": {facts.hanging}" if facts.hanging else "")
    if facts.endpoint_services:
        seen += (
            " (AWS keeps a load balancer while a VPC endpoint service uses the load balancer; delete the VPC endpoint "
            f"services of the source: {', '.join(facts.endpoint_services)})"
        )
    if not facts.converted:
        seen += (
            " (the source's HyperShift operator has no pod, so no webhook converts versions: the deletion of the "
            "namespace may hang until the operator runs again; the operator was at zero before hcp-dr, so start the "
            "operator only if that is safe)"
        )
    return seen


def _check_cloud(facts: Facts) -> tuple[Check, ...]:
    """VPC endpoint services outlive a deletion without finalizers (rules F2, F5): the owner has to remove them."""
    if not facts.endpoint_services:
        return ()
    return (
        Check(
            "vpc_endpoint_services",
            "warning",
            f"perhaps left in AWS: {', '.join(facts.endpoint_services)}",
            "the AWSEndpointServices were deleted without their finalizers, which would harm the live cluster",
            "delete remaining VPC endpoint services with `aws ec2 delete-vpc-endpoint-service-configurations`",
        ),
    )


def _release(node: Object) -> Patch:
    """Conditional on the observed resourceVersion: the list of taints also has taints of other owners."""
    labels = {label: None for label in TAKEN_NODE_LABELS if label in labels_of(node)}
    taints = [taint for taint in dig(node, "spec", "taints") or () if taint.get("key") != CLUSTER_ANNOTATION]
    meta = {"labels": labels, "resourceVersion": node["metadata"].get("resourceVersion")}
    return Patch("source", NODE, name_of(node), None, {"metadata": meta, "spec": {"taints": taints or None}})


def _without(mark: str) -> dict[str, object]:
    return {"metadata": {"annotations": {mark: None}}}


def _delete(item: Removable) -> Delete:
    return item.delete()


def foresee(facts: Facts) -> Facts:
    return replace(facts, guard=Guard((), (), destination_serves=True), remaining=())


def afterwards(facts: Facts, decision: Decision) -> Facts:
    kept = None if facts.foreign == NOTHING_FOREIGN else facts.namespace
    return replace(facts, outside=(), nodes=(), inputs=(), namespace=kept)


STEP = Step(
    name="teardown.leftovers",
    documented="8.6.4-6,7",
    observe=observe,
    plan=plan,
    waits=(timeouts.NAMESPACE_GONE, timeouts.OPERATOR_FREE),
    held_up=stopped_on("source"),
    foresee=foresee,
    afterwards=afterwards,
)
