"""The way of the snapshot, tried before the fence: on each node of the destination that may run etcd, a pod with etcd's
image fetches a small object of the bucket by a presigned URL, as etcd-init will fetch the snapshot.

This proves egress, proxy, name server, certificate authorities, the URL, and the tools in the image. Image and security
contexts are those of etcd on the source; the pod has no volume, and no label of etcd.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hcp_dr.engine.from_pod import Fetched, Place, fetch
from hcp_dr.engine.side_by_side import side_by_side
from hcp_dr.errors import CommandFailed, Forbidden, NotFound, ServerBusy
from hcp_dr.hypershift.backup_objects import is_ours, marked
from hcp_dr.hypershift.images import prepull
from hcp_dr.hypershift.images.prepull import Wanted
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig, is_deleting, is_ready_pod, labels_of, name_of, uid_of
from hcp_dr.upstream import ETCD

LABEL = "hcp-dr.openshift.io/fetches-snapshot"
CONTENT = b"probe"
URL_SECONDS = 600
FETCH_SECONDS = 20
_COMMAND = ["/bin/bash", "-c", "trap 'exit 0' TERM; while true; do sleep 5; done"]


@dataclass(frozen=True, slots=True)
class FetchPod:
    """A pod in the destination's control plane namespace. `fetched` is None while the pod does not run; `says` is the
    reason."""

    name: str
    uid: str
    ours: bool
    fetched: Fetched | None = None
    says: str = ""
    ended: bool = False
    deleting: bool = False


def probe_key(case: Case) -> str:
    return f"{case.key_prefix}/probe-destination"


def pod_name(node: str, image: str) -> str:
    return prepull.name_on(node, "hcp-dr-fetch", (image,))


def security_of(etcd: Object | None) -> dict[str, Mapping[str, Any]]:
    """The security contexts in etcd's StatefulSet, of the pod and of the container: admission judges them alike."""
    spec = dig(etcd, "spec", "template", "spec")
    containers = (each for each in dig(spec, "containers") or () if each.get("name") == ETCD)
    return {
        "pod": dig(spec, "securityContext") or {},
        "container": dig(next(containers, None), "securityContext") or {},
    }


def body(
    node: str, wanted: Wanted, security: Mapping[str, Mapping[str, Any]], namespace: str, backup_id: str
) -> Object:
    """`wanted` has etcd's image alone."""
    [image] = wanted.images
    meta = {"name": pod_name(node, image), "namespace": namespace, "labels": {LABEL: "true"}}
    container = prepull.container(ETCD, image)
    restricted = {**container["securityContext"], **security.get("container", {})}
    containers = [{**container, "securityContext": restricted, "command": _COMMAND}]
    spec = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 1, "containers": containers}
    return prepull.pod_on(node, wanted, marked({"metadata": meta, "spec": spec}, backup_id), security.get("pod", {}))


def read_pods(pods: tuple[Object, ...], backup_id: str) -> tuple[FetchPod, ...]:
    return tuple(_pod(pod, backup_id, None) for pod in pods)


def let_fetch(ports: Ports, case: Case, pods: tuple[Object, ...]) -> tuple[FetchPod, ...]:
    """Each Ready pod fetches the probe, all at the same time."""
    url = ports.bucket.presign_get(probe_key(case), seconds=URL_SECONDS)
    fetching = [pod for pod in pods if _is_ours(pod, case.backup_id) and is_ready_pod(pod)]
    answers = side_by_side(partial(_fetch, ports.destination, case.control_plane_namespace, url), fetching)
    fetched = {name_of(pod): answer for pod, answer in zip(fetching, answers, strict=True)}
    return tuple(_pod(pod, case.backup_id, fetched.get(name_of(pod))) for pod in pods)


def _fetch(cluster: Kubernetes, namespace: str, url: str, pod: Object) -> Fetched:
    place = Place(namespace, name_of(pod), ETCD)
    try:
        return fetch(cluster, place, url, CONTENT, seconds=FETCH_SECONDS)
    except (CommandFailed, NotFound, ServerBusy) as error:  # the pod has just ended, or its kubelet does not answer
        return Fetched(str(error.values.get("reason", "")))
    except Forbidden as error:
        return Fetched(f"these credentials may not run a command in it ({error.values.get('reason')})", final=True)


def _pod(pod: Object, backup_id: str, fetched: Fetched | None) -> FetchPod:
    return FetchPod(
        name=name_of(pod),
        uid=uid_of(pod),
        ours=_is_ours(pod, backup_id),
        fetched=fetched,
        says=prepull.says(pod) or _waits(pod),
        ended=prepull.has_ended(pod),
        deleting=is_deleting(pod),
    )


def _is_ours(pod: Object, backup_id: str) -> bool:
    return is_ours(pod, backup_id) and LABEL in labels_of(pod)


def _waits(pod: Object) -> str:
    states = [dig(status, "state", "waiting") or {} for status in dig(pod, "status", "containerStatuses") or ()]
    return prepull.shorten("; ".join(f"{each.get('reason')}: {each.get('message', '')}" for each in states if each))
