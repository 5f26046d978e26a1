"""A node's local proxy to its API: the static pod `kube-apiserver-proxy` that HyperShift runs on each worker.

The pod stands in for an HAProxy without a resolvers section: HAProxy resolves the API's name once at startup and sends
every connection to 172.20.0.1:6443 to the resolved address until a restart. The liveness probe goes through the proxy,
so the proxy restarts only when the address no longer answers for the API. In-cluster traffic uses the proxy. The
kubelet does not; the kubelet resolves the name repeatedly.
"""

from __future__ import annotations

from typing import Any

NAME = "kube-apiserver-proxy"
NAMESPACE = "kube-system"
ADDRESS = "172.20.0.1"
PORT = 6443
HEALTH_PORT = 6444
FAILURES = 3  # failed liveness probes before a restart
_IMAGE = "docker.io/hcp-dr-lab/workload:1"


def manifest(hostname: str, port: int, check_seconds: float) -> dict[str, Any]:
    """Return the pod for the kubelet's folder of static pods. `check_seconds` (integral) is the liveness probe's
    period."""
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
