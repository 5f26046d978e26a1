"""A node's own way to its API: the static pod `kube-apiserver-proxy` that HyperShift has on each worker.

It stands in for an HAProxy without a resolvers section: the API's name is resolved once, when it starts, and every
connection to 172.20.0.1:6443 goes to that address until it restarts. Its liveness probe asks through itself, so that
it restarts only if that address no longer answers for the API. In-cluster traffic takes this way; the kubelet, which
resolves the name again and again, does not.
"""

from __future__ import annotations

from typing import Any

NAME = "kube-apiserver-proxy"
NAMESPACE = "kube-system"
ADDRESS = "172.20.0.1"
PORT = 6443
HEALTH_PORT = 6444
FAILURES = 3  # of its liveness probe, until it is restarted
_IMAGE = "docker.io/hcp-dr-lab/workload:1"


def manifest(hostname: str, port: int, check_seconds: float) -> dict[str, Any]:
    """The pod, for the kubelet's folder of static pods. `check_seconds`, whole ones, is its liveness probe's period."""
    seconds = max(1, round(check_seconds))
    alive = {
        "httpGet": {"host": ADDRESS, "port": HEALTH_PORT, "path": "/version"},
        "initialDelaySeconds": seconds,
        "periodSeconds": seconds,
        "failureThreshold": FAILURES,
        "timeoutSeconds": 3,
    }
    container = {
        "name": "haproxy",
        "image": _IMAGE,
        "imagePullPolicy": "Never",
        "command": ["/usr/bin/workload", "proxy", f"{hostname}:{port}"],
        "livenessProbe": alive,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {"k8s-app": NAME}},
        "spec": {"hostNetwork": True, "terminationGracePeriodSeconds": 1, "containers": [container]},
    }
