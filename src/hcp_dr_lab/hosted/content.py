"""What runs and lies inside a hosted cluster: a workload, the network's pods, a version, and ballast to count.

It goes in through the hosted API, as a customer's own things do, so that a relocation has something to lose.
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
    """Everything, each object after the one that it needs. `api` is the name of its API."""
    text = (Path(__file__).parent / "content.yaml").read_text()
    text = text.replace("{cluster_id}", cluster_id).replace("{api}", api)
    yield from yaml.safe_load_all(text)
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
    """Create what is not there and leave what is there; passing refusals of a young API server are tried again."""
    deadline = time.monotonic() + seconds
    for wanted in objects(cluster_id, urlsplit(hosted.server).hostname or ""):
        _create(hosted, wanted, deadline)
    hosted.patch(CLUSTER_VERSION, "version", None, {"status": version_status(version)}, subresource="status")


def version_status(version: str) -> dict[str, Any]:
    """The status of a cluster whose installation of this version is complete."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = f"Cluster version is {version}"
    return {
        "desired": {"version": version},
        "history": [{"state": "Completed", "version": version, "startedTime": now, "completionTime": now}],
        "conditions": [
            {"type": "Available", "status": "True", "lastTransitionTime": now, "message": f"Done applying {version}"},
            {"type": "Progressing", "status": "False", "lastTransitionTime": now, "message": said},
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
    """The parts of a hosted cluster that take their time."""

    nodes: tuple[Object, ...]
    deployment: Object | None
    daemon_set: Object | None
    prometheus: Object | None


def missing(seen: Seen, nodes: int) -> list[str]:
    """What still has to happen until the cluster is in service, in words; empty when it is."""
    ready = [node["metadata"]["name"] for node in seen.nodes if _is_ready(node)]
    says = []
    if len(ready) < nodes:
        known = ", ".join(node["metadata"]["name"] for node in seen.nodes) or "none"
        says.append(f"{len(ready)} of {nodes} nodes are Ready (registered: {known})")
    serving = _status(seen.deployment).get("readyReplicas", 0)
    wanted = (seen.deployment or {}).get("spec", {}).get("replicas", 1)
    if serving < wanted:
        says.append(f"{serving} of {wanted} pods of Deployment {WORKLOAD_NAMESPACE}/hello are ready")
    networked = _status(seen.daemon_set).get("numberReady", 0)
    if networked < nodes:
        says.append(f"{networked} of {nodes} pods of DaemonSet {OVN_NAMESPACE}/ovnkube-node are ready")
    if not _status(seen.prometheus).get("availableReplicas"):
        says.append(f"no pod of StatefulSet {MONITORING_NAMESPACE}/prometheus-k8s is available")
    return says


def wait_ready(
    hosted: Kubernetes, *, nodes: int, seconds: float = 120, tell: Callable[[str], None] | None = None
) -> None:
    """Until all nodes are Ready and all pods serve. `tell` hears what is missing whenever that changes."""
    deadline = time.monotonic() + seconds
    last = ""
    while True:
        try:
            says = missing(_look(hosted), nodes)
        except HcpDrError as error:
            says = [str(error)]
        if not says:
            return
        if tell and last != (last := "; ".join(says)):
            tell(last)
        if time.monotonic() > deadline:
            raise TimedOut(
                step="The hosted cluster",
                seconds=seconds,
                until="its nodes are Ready and its workload serves",
                seen="; ".join(says),
                left="The region goes on running as it is.",
                todo="Look at the logs of the hypervisor and of the workers' kubelets in the region's folder.",
            )
        time.sleep(0.5)


def _look(hosted: Kubernetes) -> Seen:
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
