"""The only protocol to delete objects of a hosted cluster (section 4 of the design, rules F1 to F3).

Every controller that could terminate an instance, un-pause, or wipe documents has zero pods; the destination is proven;
then, per object: dangerous finalizers removed, deleted by uid, the rest removed. Only the Kubernetes object is deleted,
never its resource in the cloud.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.peers import Stranger, stranger
from hcp_dr.engine.step import Action, Decision, Delete, Do, Done, Patch, Refuse, Step, Wait
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import RESUME, MachineUnsafe, NotProven
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.identity import proving_nonce
from hcp_dr.hypershift.operator_claim import read_claim
from hcp_dr.hypershift.state import NONCE, OPERATOR_BEFORE, UNPROVEN
from hcp_dr.hypershift.workloads import Workload, workloads
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import DEPLOYMENT, HOSTED_CLUSTER, POD
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.reading import (
    annotations_of,
    condition,
    dig,
    finalizers_of,
    is_deleting,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from hcp_dr.objects.select import of_infrastructure
from hcp_dr.upstream import (
    AVAILABLE,
    CAPI_PROVIDER,
    CLEANUP_CLOUD_RESOURCES,
    CLUSTER_API,
    CLUSTER_AUTOSCALER,
    CONTROL_PLANE_OPERATOR,
    KARPENTER,
    KARPENTER_OPERATOR,
    OPERATOR,
    OPERATOR_NAMESPACE,
)

CAN_TERMINATE_INSTANCES = (
    CAPI_PROVIDER,
    CLUSTER_API,
    CONTROL_PLANE_OPERATOR,
    CLUSTER_AUTOSCALER,
    KARPENTER,
    KARPENTER_OPERATOR,
)
"""Deployments of the control plane namespace that could terminate instances, or start such a Deployment."""
_LABELS = ("app", "name")
PROOF = (
    steps.VERIFY_PUBLISH_API,
    steps.VERIFY_IDENTITY,
    steps.VERIFY_AWAIT_NODES,
    steps.VERIFY_PLACEMENT,
    steps.VERIFY_HOSTED_API,
)
NOT_TORN_DOWN = Untouched("Nothing of the source was torn down.", since=("teardown",))


def all_of_them(case: Case, items: tuple[Object, ...]) -> tuple[Object, ...]:
    """For kinds whose objects in the control plane namespace all belong to this hosted cluster."""
    return items


def of_its_infrastructure(case: Case, items: tuple[Object, ...]) -> tuple[Object, ...]:
    return of_infrastructure(case.infra_id, items)


@dataclass(frozen=True, slots=True)
class Removable:
    """One object, by default on the source."""

    resource: Resource
    namespace: str | None
    name: str
    uid: str
    version: str
    deleting: bool
    finalizers: tuple[str, ...]
    cleans: bool = False  # its deletion would delete cloud resources in use by the live cluster (rule E4)
    side: Side = "source"

    def strip(self, keep: tuple[str, ...]) -> Patch:
        """Conditional on the version read, so that a finalizer added since is not lost."""
        meta: dict[str, object] = {"finalizers": list(keep) or None, "resourceVersion": self.version}
        if self.cleans:
            meta["annotations"] = {CLEANUP_CLOUD_RESOURCES: None}
        return Patch(self.side, self.resource, self.name, self.namespace, {"metadata": meta})

    def delete(self) -> Delete:
        return Delete(self.side, self.resource, self.name, self.namespace, self.uid)


def removable(resource: Resource, item: Object, side: Side = "source") -> Removable:
    return Removable(
        resource=resource,
        namespace=namespace_of(item),
        name=name_of(item),
        uid=uid_of(item),
        version=str(item["metadata"].get("resourceVersion", "")),
        deleting=is_deleting(item),
        finalizers=finalizers_of(item),
        cleans=CLEANUP_CLOUD_RESOURCES in annotations_of(item),
        side=side,
    )


@dataclass(frozen=True, slots=True)
class Guard:
    """The conditions of every single deletion."""

    unproven: tuple[str, ...]  # proofs missing in the journal
    alive: tuple[str, ...]  # controllers with pods, or with desired replicas
    destination_serves: bool  # its HostedCluster is available, and the fixed name answers with the nonce
    stranger: Stranger | None = None  # behind a kubeconfig, instead of a management cluster of this relocation
    claim: str = ""  # if the operator is alive: a sentence about the record of its holders
    unshared: Decision | None = None  # the next round towards being in that record again

    def refusal(self) -> Refuse | None:
        if self.stranger is not None:
            return Refuse(self.stranger.error)
        if self.unproven or not self.destination_serves:
            lacking = ", ".join(self.unproven) or "the destination does not serve this cluster at the moment"
            return Refuse(
                NotProven(
                    what=f"Refusing to delete anything from the source: not verified: {lacking}.",
                    left=NOT_TORN_DOWN,
                    todo=f"Run {RESUME}: it proves the destination again first.",
                )
            )
        return dangerous_alive("source", self.alive, self.claim)

    def next_round(self) -> Decision | None:
        """Before any deletion; None if deletions are safe."""
        return self.refusal() or self.unshared


def dangerous_alive(side: Side, alive: tuple[str, ...], claim: str = "") -> Refuse | None:
    if not alive:
        return None
    return Refuse(
        MachineUnsafe(
            what=f"Controllers that could terminate instances run on the {side}: {', '.join(alive)}. {claim}".rstrip(),
            left="Nothing is deleted while they run.",
            todo=f"Find out why they were started, scale them to 0, then run {RESUME}.",
        )
    )


def proven(ports: Ports, case: Case, memory: RunState) -> Guard:
    """The proof alone, without a check of running controllers."""
    hosted_cluster = ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    serves = (
        hosted_cluster is not None
        and condition(hosted_cluster, AVAILABLE) == "True"
        and memory.get(NONCE) is not None
        and proving_nonce(ports.hosted, memory) == memory.get(NONCE)
    )
    unproven = [step for step in PROOF if step not in memory.done]
    unproven += [lacking] if (lacking := memory.get(UNPROVEN)) else []  # of a backup made by hand
    other_cluster = stranger(ports, case, "source") or stranger(ports, case, "destination")
    return Guard(tuple(unproven), (), serves, other_cluster)


def operator_of(cluster: Kubernetes) -> tuple[Workload, ...]:
    """The HyperShift operator of a management cluster."""
    return tuple(item for item in workloads(cluster, OPERATOR_NAMESPACE, DEPLOYMENT) if item.name == OPERATOR)


def terminators(cluster: Kubernetes, case: Case) -> tuple[Workload, ...]:
    """The dangerous Deployments of the control plane namespace."""
    own = workloads(cluster, case.control_plane_namespace, DEPLOYMENT)
    return tuple(item for item in own if item.name in CAN_TERMINATE_INSTANCES)


def uncounted_pods(
    cluster: Kubernetes, namespace: str, names: Collection[str], counted: Iterable[Workload]
) -> tuple[str, ...]:
    """Running pods of these controllers that no Deployment counts: its deletion can leave them behind. Recognized by
    the ServiceAccount, or by the label `app` or `name`."""
    known = {pod.uid for item in counted for pod in item.pods}
    return tuple(
        f"Pod {namespace}/{name_of(pod)} without a Deployment"
        for pod in cluster.list(POD, namespace).items
        if uid_of(pod) not in known
        and dig(pod, "status", "phase") not in ("Succeeded", "Failed")
        and not {dig(pod, "spec", "serviceAccountName"), *(labels_of(pod).get(key) for key in _LABELS)}.isdisjoint(
            names
        )
    )


def running(cluster: Kubernetes, case: Case) -> tuple[str, ...]:
    """The dangerous controllers of the control plane namespace that have pods, or desired replicas."""
    own = terminators(cluster, case)
    left = uncounted_pods(cluster, case.control_plane_namespace, CAN_TERMINATE_INSTANCES, own)
    return (*(str(item) for item in own if not item.stopped), *left)


def running_operator(cluster: Kubernetes) -> tuple[str, ...]:
    """The HyperShift operator, if it has pods or desired replicas."""
    own = operator_of(cluster)
    left = uncounted_pods(cluster, OPERATOR_NAMESPACE, (OPERATOR,), own)
    return (*(str(item) for item in own if not item.stopped), *left)


def guard(ports: Ports, case: Case, memory: RunState) -> Guard:
    claim = read_claim(ports, case, "source")
    operator = running_operator(ports.source)
    before = memory.get(OPERATOR_BEFORE) or {}
    alive = (*operator, *running(ports.source, case))
    return replace(
        proven(ports, case, memory),
        alive=alive,
        claim=claim.describe() if operator else "",
        unshared=claim.stopping((), before, "The remaining objects were not touched."),
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of a removing step."""

    guard: Guard
    items: tuple[Removable, ...]
    dangerous: tuple[str, ...]  # finalizers whose controllers would harm the live cluster


def _is_dangerous(item: Removable, dangerous: tuple[str, ...]) -> bool:
    return item.cleans or any(name in dangerous for name in item.finalizers)


def plan(facts: Facts) -> Decision:
    if not facts.items:
        return Done("none is left on the source")
    return facts.guard.next_round() or remove(facts.items, facts.dangerous)


def remove(items: tuple[Removable, ...], dangerous: tuple[str, ...] = ()) -> Do | Wait:
    """The next round of the protocol for these objects of one side. The caller has checked the guard."""
    harmless = tuple(
        item.strip(tuple(name for name in item.finalizers if name not in dangerous))
        for item in items
        if not item.deleting and _is_dangerous(item, dangerous)
    )
    if harmless:
        return Do(harmless)
    actions: tuple[Action, ...] = tuple(
        item.strip(()) if item.deleting else item.delete() for item in items if item.finalizers or not item.deleting
    )
    if actions:
        return Do(actions)
    names = ", ".join(f"{item.resource.kind} {item.name}" for item in items)
    return Wait(f"they are gone from the {items[0].side}", f"still there: {names}", timeouts.DELETED.seconds)


def foresee(facts: Facts) -> Facts:
    return replace(facts, guard=Guard((), (), destination_serves=True))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if not isinstance(decision, Do):
        return replace(facts, items=())
    if any(_is_dangerous(item, facts.dangerous) for item in facts.items if not item.deleting):
        safe = tuple(
            item
            if item.deleting
            else replace(
                item, finalizers=tuple(name for name in item.finalizers if name not in facts.dangerous), cleans=False
            )
            for item in facts.items
        )
        return replace(facts, items=safe)
    return replace(
        facts, items=tuple(replace(i, deleting=True) for i in facts.items if i.finalizers and not i.deleting)
    )


def removing_step(
    name: str,
    documented: str,
    resources: Iterable[Resource],
    *,
    mine: Callable[[Case, tuple[Object, ...]], tuple[Object, ...]],
    dangerous: tuple[str, ...] = (),
) -> Step[Facts]:
    """A step that removes the hosted cluster's objects of these kinds, selected by `mine(case, items)`."""
    kinds = tuple(resources)

    def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
        items = [removable(resource, item) for resource in kinds for item in mine(case, _list(ports, case, resource))]
        return Facts(guard(ports, case, memory), tuple(items), dangerous)

    return Step(
        name=name,
        documented=documented,
        observe=observe,
        plan=plan,
        foresee=foresee,
        afterwards=afterwards,
        waits=(timeouts.DELETED, timeouts.OPERATOR_FREE),
    )


def _list(ports: Ports, case: Case, resource: Resource) -> tuple[Object, ...]:
    in_shared = resource.kind in ("HostedCluster", "NodePool")
    return ports.source.list(resource, case.namespace if in_shared else case.control_plane_namespace).items
