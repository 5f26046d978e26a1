"""Pulling images ahead: the images, the nodes, the pods that make a kubelet pull, and their progress.

One pod for each node has a container for each image. It does not matter whether the containers run: a kubelet pulls
before the start. The scheduler places the pod, by the node's name, so that room, taints and admission are respected as
for the control plane itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hcp_dr.hypershift.backup_objects import is_ours, marked
from hcp_dr.hypershift.images.schedulable_nodes import Words, open_to, takes_pods, words
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, NODE, POD, SECRET
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import read_manifest
from hcp_dr.objects.reading import dig, is_deleting, labels_of, name_of, uid_of
from hcp_dr.upstream import CLUSTER_ANNOTATION, CONTROL_PLANE_NODE_LABEL

MOST_NODES = 12
"""Maximum number of nodes: more are rarely worth their disk space and the registry's time."""
LABEL = "hcp-dr.openshift.io/pulls-images"
_UNPULLED = frozenset(
    {
        *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"),
        *("RegistryUnavailable", "SignatureValidationFailed"),
    }
)
_AFTER_PULL = frozenset(
    {
        *("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff", "StartError"),
        *("PreCreateHookError", "PreStartHookError", "PostStartHookError"),
    }
)
"""Why a container waits, in the kubelet's words: because of its image, or with its image present."""
_SECRET_PARTS = re.compile(r"(?<=//)[^/@\s]+@|\?\S+")
"""Parts of a registry's URL that may be secret."""
_MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """The images to pull, and the nodes."""

    images: tuple[str, ...] = ()  # of the control plane's containers on the source
    withheld: tuple[str, ...] = ()  # images that the source's nodes cannot pull either
    pull_secrets: tuple[str, ...] = ()
    tolerations: tuple[Mapping[str, Any], ...] = ()  # of the control plane's pods
    nodes: tuple[str, ...] = ()  # of the destination


@dataclass(frozen=True, slots=True)
class PullPod:
    """A pod in the destination's control plane namespace. `pulled` are the images on its node; `unpulled` has the
    reasons, by image; `says` is the reason why it has not begun, or ended too early."""

    name: str
    uid: str
    ours: bool
    pulled: tuple[str, ...] = ()
    unpulled: Mapping[str, str] = field(default_factory=dict)
    says: str = ""
    ended: bool = False
    deleting: bool = False


def pod_name(node: str, images: Iterable[str]) -> str:
    """The same for the same node and images: creating it twice is a conflict. Other images make another pod."""
    return name_on(node, "hcp-dr-pull", images)


def name_on(node: str, prefix: str, images: Iterable[str]) -> str:
    digest = hashlib.sha256("\n".join((node, *images)).encode()).hexdigest()[:12]
    return f"{prefix}-{node.partition('.')[0][:30]}-{digest}"


def find_images(ports: Ports, case: Case) -> Wanted:
    hosted_cluster = ports.source.get(HOSTED_CLUSTER, case.name, case.namespace)
    pods = ports.source.list(POD, case.control_plane_namespace).items
    images, withheld = _images(pods)
    tolerations = _tolerations((hosted_cluster, *pods))
    selector: Words = dig(hosted_cluster, "spec", "nodeSelector") or {}
    suitable = [
        node
        for node in ports.destination.list(NODE).items
        if takes_pods(node)
        and open_to(labels_of(node), words(dig(node, "spec", "taints")), selector, words(tolerations))
    ]
    nodes = sorted(suitable, key=lambda node: _rank(node, case.control_plane_namespace))
    return Wanted(
        images=images,
        withheld=withheld,
        pull_secrets=_pull_secrets(ports, case, pods),
        tolerations=tolerations,
        nodes=tuple(name_of(node) for node in nodes[:MOST_NODES]),
    )


def _rank(node: Object, namespace: str) -> tuple[bool, bool, str]:
    """HyperShift's preference: first nodes for this very control plane, then nodes for any control plane."""
    labels = labels_of(node)
    return labels.get(CLUSTER_ANNOTATION) != namespace, labels.get(CONTROL_PLANE_NODE_LABEL) != "true", name_of(node)


def _images(pods: Iterable[Object]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The images named by the pods; and images for which a container waits in vain while no container has them."""
    wanted: set[str] = set()
    unpulled: set[str] = set()
    for pod in pods:
        for key, status in (("containers", "containerStatuses"), ("initContainers", "initContainerStatuses")):
            statuses = {entry.get("name"): entry for entry in dig(pod, "status", status) or ()}
            for container in dig(pod, "spec", key) or ():
                vain = dig(statuses.get(container.get("name")), "state", "waiting", "reason") in _UNPULLED
                (unpulled if vain else wanted).add(str(container.get("image") or ""))
    return tuple(sorted(wanted - {""})), tuple(sorted(unpulled - wanted - {""}))


def _tolerations(items: Iterable[Object]) -> tuple[Mapping[str, Any], ...]:
    """All tolerations, without duplicates and without Kubernetes' defaults for every pod."""
    tolerations: list[Mapping[str, Any]] = []
    for item in items:
        for each in dig(item, "spec", "tolerations") or ():
            if each not in tolerations and not str(each.get("key", "")).startswith("node.kubernetes.io/"):
                tolerations.append(each)
    return tuple(tolerations)


def _pull_secrets(ports: Ports, case: Case, pods: Iterable[Object]) -> tuple[str, ...]:
    """The pull secrets of the pods, as far as they are restored."""
    named = {str(each.get("name")) for pod in pods for each in dig(pod, "spec", "imagePullSecrets") or ()}
    manifest = read_manifest(ports.archive) if named else None
    if manifest is not None:
        named &= {
            e.name for e in manifest.entries if (e.kind, e.namespace) == (SECRET.kind, case.control_plane_namespace)
        }
    return tuple(sorted(named))


def pull_pod(pod: Object, images: Sequence[str], backup_id: str) -> PullPod:
    statuses = {str(entry.get("name")): entry for entry in dig(pod, "status", "containerStatuses") or ()}
    pulled, unpulled = [], {}
    for index, image in enumerate(images):
        status = statuses.get(_container_name(index)) or {}
        waiting = dig(status, "state", "waiting") or {}
        if status.get("imageID") or waiting.get("reason") in _AFTER_PULL:
            pulled.append(image)
        elif waiting.get("reason") in _UNPULLED:
            unpulled[image] = shorten(f"{waiting['reason']}: {waiting.get('message', '')}")
    return PullPod(
        name=name_of(pod),
        uid=uid_of(pod),
        ours=is_ours(pod, backup_id) and LABEL in labels_of(pod),
        pulled=tuple(pulled),
        unpulled=unpulled,
        says=says(pod),
        ended=has_ended(pod),
        deleting=is_deleting(pod),
    )


def has_ended(pod: Object) -> bool:
    return dig(pod, "status", "phase") in ("Succeeded", "Failed")


def says(pod: Object) -> str:
    """Why it has ended, or was not scheduled."""
    unscheduled = (c for c in dig(pod, "status", "conditions") or () if c.get("type") == "PodScheduled")
    words = [dig(pod, "status", "reason"), dig(pod, "status", "message")] if has_ended(pod) else []
    words += [each.get("message") for each in unscheduled if each.get("status") == "False"]
    return shorten(": ".join(str(each) for each in words if each))


def shorten(text: str) -> str:
    text = _SECRET_PARTS.sub("", " ".join(text.split())).rstrip(":. ")
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"


def _container_name(place: int) -> str:
    return f"image-{place}"


def body(node: str, wanted: Wanted, namespace: str, backup_id: str) -> Object:
    """It is allowed nothing and requests minimal resources."""
    containers = [
        {**container(_container_name(index), image), "command": ["/bin/true"]}
        for index, image in enumerate(wanted.images)
    ]
    meta = {"name": pod_name(node, wanted.images), "namespace": namespace, "labels": {LABEL: "true"}}
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": containers}
    security = {"runAsNonRoot": True}
    return pod_on(node, wanted, marked({"metadata": meta, "spec": spec}, backup_id), security)


def container(name: str, image: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def pod_on(node: str, wanted: Wanted, body: Object, security: Mapping[str, Any]) -> Object:
    """A pod for exactly this node, with the tolerations and pull secrets of the control plane and without access to the
    API. The scheduler places it."""
    this_node = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, **security},
        "affinity": {
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [this_node]}}
        },
        "tolerations": [dict(each) for each in wanted.tolerations],
        "imagePullSecrets": [{"name": name} for name in wanted.pull_secrets],
        **body["spec"],
    }
    return {"apiVersion": "v1", "kind": "Pod", **body, "spec": spec}
