"""Cluster API and its AWS provider as real programs: what HyperShift creates for their pods.

Arguments and rights are HyperShift's (v2/assets/cluster-api, v2/assets/capi-provider, v2/capi_manager/deployment.go,
platform/aws/aws.go), except for the Leases: here a new pod acts after seconds, in production after minutes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.shape import body
from hcp_dr_lab.standin.workload import Container, deployment

IMAGES = {name: f"{names.REPOSITORY}/{name}:1" for name in (names.CLUSTER_API, names.CAPI_PROVIDER)}
WEBHOOK_CERTIFICATE = "capi-webhooks-tls"
_CERTIFICATES = "/tmp/k8s-webhook-server/serving-certs"  # noqa: S108 - in the pod, the programs' default
_HEALTH_PORT = 9440
_GROUPS = (
    *("bootstrap", "controlplane", "infrastructure", "machines", "exp.infrastructure", "addons", "exp"),
    "",
)
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    names.CLUSTER_API: (
        "--feature-gates=MachineSetPreflightChecks=false",
        "--skip-crd-migration-phases=StorageVersionMigration",
        "--skip-crd-migration-phases=CleanupManagedFields",
    ),
    names.CAPI_PROVIDER: ("--feature-gates=EKS=false",),
}


def workload(name: str, namespace: str, environment: Mapping[str, str]) -> Object:
    """Return the Deployment of one of them. `environment` is how its pod reaches the API and AWS."""
    container = Container(
        "manager",
        (
            f"/usr/bin/{name}",
            f"--namespace={namespace}",
            "--v=4",
            "--leader-elect=true",
            f"--webhook-cert-dir={_CERTIFICATES}",
            *_ARGUMENTS[name],
        ),
        image=IMAGES[name],
        secrets=((WEBHOOK_CERTIFICATE, _CERTIFICATES),),
        extra={
            "env": [{"name": key, "value": value} for key, value in environment.items()],
            "ports": [{"name": "healthz", "containerPort": _HEALTH_PORT}],
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": _HEALTH_PORT}, "periodSeconds": 2},
            "livenessProbe": {
                "httpGet": {"path": "/healthz", "port": _HEALTH_PORT},
                "initialDelaySeconds": 60,
                "periodSeconds": 60,
            },
        },
    )
    pod = {"serviceAccountName": name, "automountServiceAccountToken": True}
    return deployment(name, namespace, (container,), pod=pod)


def account(name: str, namespace: str, hosted: Object) -> Sequence[tuple[Resource, Object]]:
    """Return the service account of one of them, with its rights in the control plane namespace. They outlive the
    HostedControlPlane, because Cluster API deletes that before the Cluster."""
    marks: dict[str, str | None] = {names.HOSTED_CLUSTER: names.path_name(hosted)}
    reference = {"apiGroup": r.ROLE.group, "kind": r.ROLE.kind, "name": name}
    subject = {"kind": r.SERVICE_ACCOUNT.kind, "name": name, "namespace": namespace}
    return (
        (r.SERVICE_ACCOUNT, body(r.SERVICE_ACCOUNT, name, namespace, annotations=marks)),
        (r.ROLE, body(r.ROLE, name, namespace, annotations=marks, rules=_rules(name))),
        (
            r.ROLE_BINDING,
            body(r.ROLE_BINDING, name, namespace, annotations=marks, roleRef=reference, subjects=[subject]),
        ),
    )


def _rules(name: str) -> list[Object]:
    everything = ["*"]
    groups = [f"{group}.{r.CLUSTER.group}" if group else r.CLUSTER.group for group in _GROUPS]
    rules: list[Object] = [
        {"apiGroups": groups, "resources": everything, "verbs": everything},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": everything},
    ]
    if name == names.CAPI_PROVIDER:
        return [
            *rules,
            {"apiGroups": [""], "resources": ["events", "secrets", "configmaps"], "verbs": everything},
            {"apiGroups": [r.HOSTED_CONTROL_PLANE.group], "resources": everything, "verbs": everything},
        ]
    read, write = ["get", "list", "watch"], ["create", "update", "patch"]
    planes = ["hostedcontrolplanes", "hostedcontrolplanes/status"]
    return [
        *rules,
        {
            "apiGroups": [r.HOSTED_CONTROL_PLANE.group],
            "resources": planes,
            "verbs": [*read, "delete", "patch", "update"],
        },
        {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": read},
        {"apiGroups": [""], "resources": ["events"], "verbs": write},
    ]
