"""external-dns on a management cluster, installed as `hypershift install` does, with real external-dns in the image.

Only its pace differs: what `delays.REALISTIC` says is what HyperShift installs. One value is a trap of its own: with
`--txt-cache-interval=1h` an external-dns goes on seeing a record of another owner for up to an hour after that owner
gave it up, and so does not write its own. The plain region is spared this and the other waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hcp_dr.kube.port import Object
from hcp_dr_lab.region.cloud import storage
from hcp_dr_lab.region.delays import Delays
from hcp_dr_lab.region.layout import AWS_REGION, HOSTED_DOMAIN, Layout, ManagementCluster
from hcp_dr_lab.region.machines.images import tag

NAMESPACE = "hypershift"
NAME = "external-dns"
CREDENTIALS_SECRET = "external-dns-credentials"  # noqa: S105 a name
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"  # in the image, with the region's own authority


@dataclass(frozen=True, slots=True)
class Pace:
    """Durations as external-dns takes them. `least_between_events` None means that it looks at intervals only."""

    interval: str
    least_between_events: str | None
    txt_cache: str
    between_batches: str
    zones_cache: str

    @property
    def arguments(self) -> list[str]:
        by_events = ["--events", f"--min-event-sync-interval={self.least_between_events}"]
        return [
            f"--interval={self.interval}",
            *(by_events if self.least_between_events else []),
            f"--txt-cache-interval={self.txt_cache}",
            f"--aws-batch-change-interval={self.between_batches}",
            f"--aws-zones-cache-duration={self.zones_cache}",
        ]


def pace(delays: Delays) -> Pace:
    """In external-dns's own words."""
    return Pace(
        _duration(delays.external_dns_interval),
        _duration(delays.external_dns_events) if delays.external_dns_events else None,
        txt_cache=_duration(delays.external_dns_txt_cache),
        between_batches=_duration(delays.external_dns_between_batches),
        zones_cache="1h",
    )


def _duration(seconds: float) -> str:
    """In the largest unit that makes it a whole number."""
    whole = ((size, unit) for size, unit in ((3600, "h"), (60, "m"), (1, "s")) if seconds % size == 0)
    size, unit = next(whole, (1, "s")) if seconds else (1, "s")
    return f"{seconds / size:g}{unit}"


def objects(layout: Layout, cluster: ManagementCluster) -> tuple[Object, ...]:
    """In order of creation; the namespace first."""
    return (
        _object("v1", "Namespace", NAMESPACE, namespaced=False),
        _object("v1", "ServiceAccount", NAME),
        _cluster_role(),
        _cluster_role_binding(),
        _credentials(layout),
        _deployment(layout, cluster, pace(layout.options.delays)),
    )


def arguments(cluster: ManagementCluster, pace: Pace) -> list[str]:
    return [
        "--source=service",
        "--source=openshift-route",
        f"--domain-filter={HOSTED_DOMAIN}",
        "--provider=aws",
        "--registry=txt",
        "--txt-suffix=-external-dns",
        f"--txt-owner-id={cluster.external_dns_owner}",
        "--label-filter=hypershift.openshift.io/route-visibility!=private",
        "--aws-zone-type=public",
        *pace.arguments,
    ]


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
    """The API server by its address, since ClusterIPs reach nothing here; Route53 where the region plays it."""
    return {
        "AWS_SHARED_CREDENTIALS_FILE": "/etc/provider/credentials",
        "AWS_REGION": AWS_REGION,
        "AWS_ENDPOINT_URL": layout.inside_aws_endpoint,
        "AWS_CA_BUNDLE": AUTHORITIES,
        "KUBERNETES_SERVICE_HOST": cluster.api_address,
        "KUBERNETES_SERVICE_PORT": str(cluster.api_port),
    }
