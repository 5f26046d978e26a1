"""Removes what the operator would have removed and nobody else does: the control plane namespace with its volumes, what
this hosted cluster has outside of it, the operator's marks on its inputs, and its hold on nodes (rules F4, F5). The
namespaces go after the operator is back, because its conversion webhook is needed for that. The HostedCluster's
namespace stays: it may be shared."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Action, Check, Decision, Delete, Do, Done, Patch, Refuse, Step, Wait, WatchTarget
from hcp_dr.errors import NotOurs
from hcp_dr.hypershift import timeouts
from hcp_dr.hypershift.deletion.protocol import Guard, Removable, proven, removable
from hcp_dr.hypershift.deletion.remains import left_on_source, outside, taken_nodes
from hcp_dr.hypershift.state import ENDPOINT_SERVICES
from hcp_dr.hypershift.workloads import workloads
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import CONFIG_MAP, DEPLOYMENT, NAMESPACE, NODE, SECRET
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import annotations_of, dig, labels_of, name_of, namespace_of
from hcp_dr.objects.select import reference_mark
from hcp_dr.upstream import CLUSTER_ANNOTATION, OPERATOR, OPERATOR_NAMESPACE, TAKEN_NODE_LABELS

_INPUTS = {resource.kind: resource for resource in (SECRET, CONFIG_MAP)}
_HANGING = ("NamespaceFinalizersRemaining", "NamespaceContentRemaining")


@dataclass(frozen=True, slots=True)
class Facts:
    guard: Guard
    left: tuple[str, ...]  # of what should be gone by now
    outside: tuple[Removable, ...]  # cluster-scoped and in other namespaces
    nodes: tuple[Object, ...]  # taken for this hosted cluster's pods
    inputs: tuple[Object, ...]  # Secrets and ConfigMaps, perhaps shared, that bear the operator's mark of this cluster
    mark: str
    held: tuple[Removable, ...]  # Deployments on whose finalizers the namespace hangs
    namespace: Removable | None
    hanging: str = ""  # what the namespace says that it waits for
    endpoint_services: tuple[str, ...] = ()  # remembered: VPC endpoint services of its load balancers
    converted: bool = True  # whether the source's HyperShift operator has a pod, whose webhook converts versions


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source, own = ports.source, case.control_plane_namespace
    namespace = source.find(NAMESPACE, own)
    mark = reference_mark(case.name)
    inputs = (item for resource in (SECRET, CONFIG_MAP) for item in source.list(resource, case.namespace).items)
    waiting = [c for c in dig(namespace, "status", "conditions") or () if c.get("status") == "True"]
    return Facts(
        guard=proven(ports, case, memory),
        left=left_on_source(ports, case),
        outside=tuple(removable(resource, item) for resource, item in outside(source, case)),
        nodes=taken_nodes(source, case),
        inputs=tuple(item for item in inputs if mark in annotations_of(item)),
        mark=mark,
        held=tuple(removable(DEPLOYMENT, item) for item in source.list(DEPLOYMENT, own).items),
        namespace=removable(NAMESPACE, namespace) if namespace else None,
        endpoint_services=tuple((memory.get(ENDPOINT_SERVICES) or {}).values()),
        converted=any(w.pods for w in workloads(source, OPERATOR_NAMESPACE, DEPLOYMENT) if w.name == OPERATOR),
        hanging="; ".join(str(c.get("message")) for c in waiting if c.get("type") in _HANGING),
    )


def plan(facts: Facts) -> Decision:
    if facts.namespace is None and not (facts.outside or facts.nodes or facts.inputs):
        return Done("the control plane namespace and what was outside of it are gone", _left_in_the_cloud(facts))
    refusal = facts.guard.refusal()
    if refusal is not None:
        return refusal
    if facts.left:
        return Refuse(NotOurs(what=f"Came back on the source: {', '.join(facts.left)}.", left="They were not touched."))
    actions: list[Action] = [_delete(item) for item in facts.outside if not item.deleting]
    actions += [_give_back(node) for node in facts.nodes]
    actions += [
        Patch("source", _INPUTS[item["kind"]], name_of(item), namespace_of(item), _without(facts.mark))
        for item in facts.inputs
    ]
    actions += [item.strip(()) for item in facts.held if item.finalizers]
    if facts.namespace is not None and not facts.namespace.deleting:
        actions.append(_delete(facts.namespace))
    if actions:
        return Do(tuple(actions))
    name = facts.namespace.name if facts.namespace else "outside"
    seen = f"{name} is being deleted" + (f": {facts.hanging}" if facts.hanging else "")
    if facts.endpoint_services:
        seen += (
            " (AWS keeps a load balancer as long as a VPC endpoint service points at it; delete those of the source: "
            f"{', '.join(facts.endpoint_services)})"
        )
    if not facts.converted:
        seen += (
            " (the source's HyperShift operator has no pod: a namespace whose kinds its webhook converts may hang "
            "until it runs again; it was at zero before, and whether it may run is yours to say)"
        )
    return Wait(
        "the control plane namespace is gone", seen, timeouts.NAMESPACE_GONE.seconds, WatchTarget("source", NAMESPACE)
    )


def _left_in_the_cloud(facts: Facts) -> tuple[Check, ...]:
    """VPC endpoint services outlive a deletion without finalizers (rules F2, F5): their owner removes them."""
    if not facts.endpoint_services:
        return ()
    return (
        Check(
            "vpc_endpoint_services",
            "warning",
            f"perhaps left in AWS: {', '.join(facts.endpoint_services)}",
            "their AWSEndpointServices went without the work of their finalizers, which would harm the live cluster",
            "delete those that are still there with `aws ec2 delete-vpc-endpoint-service-configurations`",
        ),
    )


def _give_back(node: Object) -> Patch:
    """Conditional on the version that was seen: taints are one list, of which others have their part."""
    labels = {label: None for label in TAKEN_NODE_LABELS if label in labels_of(node)}
    taints = [taint for taint in dig(node, "spec", "taints") or () if taint.get("key") != CLUSTER_ANNOTATION]
    meta = {"labels": labels, "resourceVersion": node["metadata"].get("resourceVersion")}
    return Patch("source", NODE, name_of(node), None, {"metadata": meta, "spec": {"taints": taints or None}})


def _without(mark: str) -> dict[str, object]:
    return {"metadata": {"annotations": {mark: None}}}


def _delete(item: Removable) -> Delete:
    return item.delete()


def foresee(facts: Facts) -> Facts:
    return replace(facts, guard=Guard((), (), destination_serves=True), left=())


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, outside=(), nodes=(), inputs=(), namespace=None)


STEP = Step(
    name="teardown.leftovers",
    documented="8.6.4-6,7",
    observe=observe,
    plan=plan,
    waits=(timeouts.NAMESPACE_GONE,),
    foresee=foresee,
    afterwards=afterwards,
)
