"""The content of a hosted cluster: a workload, the network's pods, a version, and ballast to count.

The content is created through the hosted API, as customers do, so that a relocation could lose data.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from hcp_dr.errors import AlreadyExists, HcpDrError, KubernetesError, NotFound, TimedOut
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import (
    CLUSTER_VERSION,
    CONFIG_MAP,
    CUSTOM_RESOURCE_DEFINITION,
    DAEMON_SET,
    DEPLOYMENT,
    NAMESPACE,
    NODE,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    STATEFUL_SET,
)

WORKLOAD_NAMESPACE = "workload"
WORKLOAD_LABEL = "app=hello"
WORKLOAD_PORT = 8080
OVN_NAMESPACE = "openshift-ovn-kubernetes"
MONITORING_NAMESPACE = "openshift-monitoring"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
BALLAST_NAMESPACES = 5
BALLAST_EACH = 10

_KINDS = {
    kind.kind: kind
    for kind in (
        *(CUSTOM_RESOURCE_DEFINITION, NAMESPACE, DAEMON_SET, DEPLOYMENT, STATEFUL_SET, CLUSTER_VERSION),
        *(PERSISTENT_VOLUME, PERSISTENT_VOLUME_CLAIM),
    )
}


def objects(cluster_id: str, api: str) -> Iterator[Object]:
    """Return all objects in order of dependency. `api` is the host name of the hosted API."""
    text = (Path(__file__).parent / "content.yaml").read_text()
    text = text.replace("{cluster_id}", cluster_id).replace("{api}", api)
    yield from yaml.load_all(text, Loader=_LOADER)
    for number in range(1, BALLAST_NAMESPACES + 1):
        namespace = f"ballast-{number}"
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        for item in range(1, BALLAST_EACH + 1):
            yield {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"item-{item:02}", "namespace": namespace},
                "data": {"text": f"{cluster_id}, {namespace}, item {item}: " + "ballast " * 32},
            }


def apply(hosted: Kubernetes, *, cluster_id: str, version: str, seconds: float = 60) -> None:
    """Create missing objects, and keep existing objects. Transient errors of a new API server are retried."""
    deadline = time.monotonic() + seconds
    for wanted in objects(cluster_id, urlsplit(hosted.server).hostname or ""):
        _create(hosted, wanted, deadline)
    hosted.patch(CLUSTER_VERSION, "version", None, {"status": version_status(version)}, subresource="status")


def version_status(version: str) -> dict[str, Any]:
    """Return the status of a ClusterVersion with a completed installation of this version."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = f"Cluster version is {version}"
    return {
        "desired": {"version": version},
        "history": [{"state": "Completed", "version": version, "startedTime": now, "completionTime": now}],
        "conditions": [
            {"type": "Available", "status": "True", "lastTransitionTime": now, "message": f"Done applying {version}"},
            {"type": "Progressing", "status": "False", "lastTransitionTime": now, "message": message},
        ],
    }


def _create(hosted: Kubernetes, wanted: Object, deadline: float) -> None:
    kind: Resource = {**_KINDS, "ConfigMap": CONFIG_MAP}[wanted["kind"]]
    while True:
        try:
            hosted.create(kind, wanted)
        except AlreadyExists:
            return
        except (NotFound, KubernetesError) as error:
            young = error.passing or isinstance(error, NotFound)
            if not young or time.monotonic() > deadline:
                raise
            time.sleep(0.25)
        else:
            return


@dataclass(frozen=True, slots=True)
class Seen:
    """The observed state of a hosted cluster's slow parts."""

    nodes: tuple[Object, ...]
    deployment: Object | None
    daemon_set: Object | None
    prometheus: Object | None


def missing(observed: Seen, nodes: int) -> list[str]:
    """Describe the missing parts until the cluster is in service; empty if the cluster is in service."""
    ready = [node["metadata"]["name"] for node in observed.nodes if _is_ready(node)]
    missing_parts = []
    if len(ready) < nodes:
        known = ", ".join(node["metadata"]["name"] for node in observed.nodes) or "none"
        missing_parts.append(f"{len(ready)} of {nodes} nodes are Ready (registered: {known})")
    serving = _status(observed.deployment).get("readyReplicas", 0)
    wanted = (observed.deployment or {}).get("spec", {}).get("replicas", 1)
    if serving < wanted:
        missing_parts.append(f"{serving} of {wanted} pods of Deployment {WORKLOAD_NAMESPACE}/hello are ready")
    networked = _status(observed.daemon_set).get("numberReady", 0)
    if networked < nodes:
        missing_parts.append(f"{networked} of {nodes} pods of DaemonSet {OVN_NAMESPACE}/ovnkube-node are ready")
    if not _status(observed.prometheus).get("availableReplicas"):
        missing_parts.append(f"no pod of StatefulSet {MONITORING_NAMESPACE}/prometheus-k8s is available")
    return missing_parts


def wait_ready(
    hosted: Kubernetes, *, nodes: int, seconds: float = 120, tell: Callable[[str], None] | None = None
) -> None:
    """Wait until all nodes are Ready and all pods serve. `tell` gets the missing parts after every change."""
    deadline = time.monotonic() + seconds
    last = ""
    while True:
        try:
            missing_parts = missing(_read_observed(hosted), nodes)
        except HcpDrError as error:
            missing_parts = [str(error)]
        if not missing_parts:
            return
        if tell and last != (last := "; ".join(missing_parts)):
            tell(last)
        if time.monotonic() > deadline:
            raise TimedOut(
                step="The hosted cluster",
                seconds=seconds,
                until="its nodes are Ready and its workload is ready",
                observed="; ".join(missing_parts),
                left="The region keeps running unchanged.",
                todo="Check the logs of the hypervisor and of the workers' kubelets in the region's folder.",
            )
        time.sleep(0.5)


def _read_observed(hosted: Kubernetes) -> Seen:
    return Seen(
        nodes=hosted.list(NODE).items,
        deployment=hosted.find(DEPLOYMENT, "hello", WORKLOAD_NAMESPACE),
        daemon_set=hosted.find(DAEMON_SET, "ovnkube-node", OVN_NAMESPACE),
        prometheus=hosted.find(STATEFUL_SET, "prometheus-k8s", MONITORING_NAMESPACE),
    )


def _is_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _status(item: Object | None) -> dict[str, Any]:
    status: dict[str, Any] = (item or {}).get("status") or {}
    return status
