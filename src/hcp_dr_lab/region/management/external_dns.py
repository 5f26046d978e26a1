"""external-dns on a management cluster, installed as `hypershift install` does, with real external-dns in the image.

Only the intervals differ: HyperShift installs the values of `delays.REALISTIC`. One value needs attention: with
`--txt-cache-interval=1h` external-dns still sees another owner's record for up to an hour after its release, and does
not write its own record. The plain region has neither this delay nor the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hcp_dr.kube.port import Object
from hcp_dr_lab.ground.installed_dns import NAME, NAMESPACE, Pace, arguments, pace
from hcp_dr_lab.ground.layout import AWS_REGION, Layout, ManagementCluster
from hcp_dr_lab.region.cloud import storage
from hcp_dr_lab.region.machines.images import tag

CREDENTIALS_SECRET = "external-dns-credentials"  # noqa: S105 a name
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"  # in the image, with the region's own authority


def objects(layout: Layout, cluster: ManagementCluster) -> tuple[Object, ...]:
    """Return the objects in order of creation; the namespace is first."""
    return (
        _object("v1", "Namespace", NAMESPACE, namespaced=False),
        _object("v1", "ServiceAccount", NAME),
        _cluster_role(),
        _cluster_role_binding(),
        _credentials(layout),
        _deployment(layout, cluster, pace(layout.options.delays)),
    )


def _object(api_version: str, kind: str, name: str, *, namespaced: bool = True, **content: Any) -> Object:
    metadata = {"name": name} | ({"namespace": NAMESPACE} if namespaced else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def _cluster_role() -> Object:
    readable = {
        "": ["endpoints", "services", "nodes", "pods", "namespaces"],
        "discovery.k8s.io": ["endpointslices"],
        "extensions": ["ingresses"],
        "networking.k8s.io": ["ingresses"],
        "route.openshift.io": ["routes"],
    }
    rules = [
        {"apiGroups": [group], "resources": resources, "verbs": ["get", "list", "watch"]}
        for group, resources in readable.items()
    ]
    return _object("rbac.authorization.k8s.io/v1", "ClusterRole", NAME, namespaced=False, rules=rules)


def _cluster_role_binding() -> Object:
    return _object(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        NAME,
        namespaced=False,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
        subjects=[{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
    )


def _credentials(layout: Layout) -> Object:
    content = storage.credentials_text(storage.credentials(layout))
    return _object("v1", "Secret", CREDENTIALS_SECRET, stringData={"credentials": content})


def _deployment(layout: Layout, cluster: ManagementCluster, pace: Pace) -> Object:
    labels = {"name": NAME, "app": NAME, "hypershift.openshift.io/operator-component": NAME}
    container = {
        "name": NAME,
        "image": tag(NAME),
        "imagePullPolicy": "Never",
        "command": ["/usr/bin/external-dns"],
        "args": arguments(cluster, pace),
        "env": [{"name": name, "value": value} for name, value in environment(layout, cluster).items()],
        "ports": [{"name": "metrics", "containerPort": 7979}],
        "volumeMounts": [{"name": "credentials", "mountPath": "/etc/provider"}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 7979}, "periodSeconds": 2},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    pod = {
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": 2,
        "containers": [container],
        "volumes": [{"name": "credentials", "secret": {"secretName": CREDENTIALS_SECRET}}],
    }
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": {"name": NAME}},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return _object("apps/v1", "Deployment", NAME, spec=spec)


def environment(layout: Layout, cluster: ManagementCluster) -> Mapping[str, str]:
    """Return the environment: the API server's address, because ClusterIPs are unreachable, and the region's
    Route53."""
    return {
        "AWS_SHARED_CREDENTIALS_FILE": "/etc/provider/credentials",
        "AWS_REGION": AWS_REGION,
        "AWS_ENDPOINT_URL": layout.inside_aws_endpoint,
        "AWS_CA_BUNDLE": AUTHORITIES,
        "KUBERNETES_SERVICE_HOST": cluster.api_address,
        "KUBERNETES_SERVICE_PORT": str(cluster.api_port),
    }
