"""The subjects of leaf certificates: servers with names, clients with groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.control_plane_operator.etcd_shape import member_count
from hcp_dr_lab.standin.controllers import WEBHOOK_CERTIFICATE
from hcp_dr_lab.standin.view import Subject

SERVICE_ADDRESS = "172.31.0.1"  # the first address of the hosted cluster's service network
_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf certificate and its Secret; with `server` the certificate is embedded in a kubeconfig, the file
    `kubeconfig`."""

    secret: str
    authority: str
    subject: Subject
    certificate_file: str = "tls.crt"
    key_file: str = "tls.key"
    server: str = ""
    kubeconfig: str = "kubeconfig"
    labels: Mapping[str, str] = field(default_factory=dict)


def leaves(plane: Object) -> Iterator[Leaf]:
    namespace = plane["metadata"]["namespace"]
    yield from _etcd(plane, namespace)
    api = names.published(plane, "APIServer")
    hostname = api.hostname if api else ""
    inside = _service_names("kube-apiserver", namespace)
    in_cluster = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    serving = Subject(
        "kubernetes",
        ("kubernetes",),
        tuple(name for name in ("localhost", hostname, *in_cluster, *inside) if name),
        (*_LOOPBACK, SERVICE_ADDRESS),
        client=False,
    )
    yield Leaf("kas-server-crt", "root-ca", serving)
    yield Leaf("kas-kubelet-client-crt", "kube-apiserver-to-kubelet-signer", _admin("system:kube-apiserver"))
    aggregator = Subject("system:openshift-aggregator")
    yield Leaf("kas-aggregator-crt", "kas-aggregator-client-signer", aggregator)
    outside = f"https://{hostname}:{api.port if api else names.PUBLISHED_PORT}"
    service = f"https://kube-apiserver:{names.API_PORT}"
    local = f"https://localhost:{names.API_PORT}"
    admin = _admin("system:admin")
    yield Leaf("admin-kubeconfig", "system-admin-signer", admin, server=outside)
    yield Leaf("service-network-admin-kubeconfig", "system-admin-signer", admin, server=service)
    yield Leaf("localhost-kubeconfig", "system-admin-signer", admin, server=local)
    for component in ("kube-controller-manager", "kube-scheduler"):
        subject = Subject(f"system:{component}")
        yield Leaf(f"{component}-kubeconfig", "kube-control-plane-signer", subject, server=service)


def for_controllers(plane: Object) -> Iterator[Leaf]:
    """For Cluster API and its AWS provider: their webhooks, and the hosted API."""
    infra_id = plane["spec"]["infraID"]
    names_of_webhooks = ("webhooks", f"webhooks.{plane['metadata']['namespace']}.svc")
    yield Leaf(WEBHOOK_CERTIFICATE, "root-ca", Subject("webhooks", names=names_of_webhooks, client=False))
    yield Leaf(
        f"{infra_id}-kubeconfig",
        "system-admin-signer",
        _admin("system:admin"),
        server=f"https://kube-apiserver:{names.API_PORT}",
        kubeconfig="value",
        labels={names.CLUSTER_NAME: infra_id},
    )


def _etcd(plane: Object, namespace: str) -> Iterator[Leaf]:
    members = [f"etcd-{number}" for number in range(member_count(plane))]
    for secret, stem, service in (
        ("etcd-server-tls", "server", "etcd-client"),
        ("etcd-peer-tls", "peer", "etcd-discovery"),
    ):
        known = _service_names(service, namespace)
        each = [f"{member}.{name}" for member in members for name in known[1:]]
        subject = Subject(stem, ("kubernetes",), ("localhost", *known, *each), _LOOPBACK)
        yield Leaf(secret, "etcd-signer", subject, f"{stem}.crt", f"{stem}.key")
    yield Leaf("etcd-client-tls", "etcd-signer", Subject("etcd-client"), "etcd-client.crt", "etcd-client.key")


def _service_names(service: str, namespace: str) -> tuple[str, ...]:
    short = f"{service}.{namespace}"
    return (service, short, f"{short}.svc", f"{short}.svc.cluster.local")


def _admin(common_name: str) -> Subject:
    return Subject(common_name, ("system:masters",))
