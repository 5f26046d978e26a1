"""Deployments, StatefulSets and their pods, as seen by fence and teardown: desired replicas and existing pods."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hcp_dr.engine.perform import SHORT_GRACE
from hcp_dr.engine.step import Action, ForceStop, Patch
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import DEPLOYMENT, POD, STATEFUL_SET
from hcp_dr.model import Side
from hcp_dr.objects.reading import dig, is_deleting, is_ready_pod, name_of, namespace_of, pods_of, uid_of
from hcp_dr.upstream import USUAL_GRACE


@dataclass(frozen=True, slots=True)
class PodFact:
    name: str
    namespace: str
    uid: str
    grace: int | None  # seconds of grace in its deletion; None while it is not being deleted
    container: str = ""  # the first one
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment or StatefulSet. `replicas` is the number in its spec; `pods` are the existing pods."""

    kind: str
    namespace: str
    name: str
    replicas: int
    pods: tuple[PodFact, ...]
    generation: int = 0  # the server counts each change of its spec
    uid: str = ""

    @property
    def stopped(self) -> bool:
        """No pod is desired, and none exists."""
        return self.replicas == 0 and not self.pods

    @property
    def resource(self) -> Resource:
        return DEPLOYMENT if self.kind == "Deployment" else STATEFUL_SET

    def __str__(self) -> str:
        return f"{self.name} {len(self.pods)} pods"


def workload(item: Object, pods: Iterable[Object]) -> Workload:
    return Workload(
        kind=item["kind"],
        namespace=namespace_of(item) or "",
        name=name_of(item),
        replicas=int(dig(item, "spec", "replicas") if dig(item, "spec", "replicas") is not None else 1),
        pods=tuple(_pod(pod) for pod in pods_of(item, pods)),
        generation=int(dig(item, "metadata", "generation") or 0),
        uid=uid_of(item),
    )


def _pod(pod: Object) -> PodFact:
    grace = int(dig(pod, "metadata", "deletionGracePeriodSeconds") or 0) if is_deleting(pod) else None
    container = str((dig(pod, "spec", "containers") or [{}])[0].get("name", ""))
    return PodFact(name_of(pod), namespace_of(pod) or "", uid_of(pod), grace, container, is_ready_pod(pod))


def workloads(cluster: Kubernetes, namespace: str, *resources: Resource) -> tuple[Workload, ...]:
    """All workloads of a namespace. Pods are listed last, so that a pod created in between is seen."""
    items = [item for resource in resources for item in cluster.list(resource, namespace).items]
    pods = cluster.list(POD, namespace).items
    return tuple(workload(item, pods) for item in items)


def has_ready_pod(cluster: Kubernetes, name: str, namespace: str) -> bool:
    """Whether a pod of this Deployment is Ready."""
    deployment = cluster.find(DEPLOYMENT, name, namespace)
    pods = pods_of(deployment, cluster.list(POD, namespace).items) if deployment else ()
    return any(is_ready_pod(pod) for pod in pods)


def stop(side: Side, items: Iterable[Workload]) -> tuple[Action, ...]:
    """One round towards zero pods: scale to zero, and force-stop pods with a long grace period (rule C2). A pod that is
    not being deleted yet is left to its controller, which would only replace it."""
    actions: list[Action] = []
    for item in items:
        if item.replicas:
            actions.append(scale(side, item, 0))
        actions += [
            ForceStop(side, pod.namespace, pod.name, pod.uid, pod.container)
            for pod in item.pods
            if pod.grace is not None and pod.grace > SHORT_GRACE
        ]
    return tuple(actions)


def stopping(items: Iterable[Workload]) -> tuple[Workload, ...]:
    """The state after one round of `stop`, or after the next wait: scaled to zero, forced, gone. For foreseeing."""
    items = tuple(items)
    if any(item.replicas for item in items):
        return tuple(
            replace(item, replicas=0, pods=tuple(replace(pod, grace=USUAL_GRACE) for pod in item.pods))
            if item.replicas
            else item
            for item in items
        )
    if any(pod.grace is not None and pod.grace > SHORT_GRACE for item in items for pod in item.pods):
        return tuple(replace(i, pods=tuple(replace(pod, grace=SHORT_GRACE) for pod in i.pods)) for i in items)
    return tuple(replace(item, pods=()) for item in items)


def scale(side: Side, item: Workload, replicas: int) -> Patch:
    """By the subresource: the right to change a Deployment is the right to run any image as its ServiceAccount."""
    return scale_to(side, item.resource, item.name, item.namespace, replicas)


def scale_to(side: Side, resource: Resource, name: str, namespace: str, replicas: int) -> Patch:
    return Patch(side, resource, name, namespace, {"spec": {"replicas": replicas}}, subresource="scale")


def still_there(items: Iterable[Workload]) -> str:
    """For `seen` of a wait: the workloads that have not stopped."""
    return ", ".join(str(item) for item in items if not item.stopped) or "nothing"
