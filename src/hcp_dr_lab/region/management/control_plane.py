"""The control planes of the management clusters: real etcd, API server, controller manager and scheduler, and one node.

Their etcd does not sync to disk: only the hosted cluster's etcd is under test, and it syncs.
"""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hcp_dr_lab.ground.layout import PRODUCT_USER, Layout, ManagementCluster
from hcp_dr_lab.ground.part import Part
from hcp_dr_lab.ground.pki import CertificateAuthority, KeyPair, signing_key, write_secret
from hcp_dr_lab.region import probe
from hcp_dr_lab.region.machines import cgroups, node
from hcp_dr_lab.standin import audit

_ADMINISTRATOR = "admin"


def prepare(layout: Layout, cluster: ManagementCluster) -> None:
    """Certificates, keys and kubeconfigs of one management cluster."""
    folder = _folder(layout, cluster)
    authority = CertificateAuthority.create(f"{cluster.name}-ca")
    authority.pair.write(folder / "ca")
    service = str(next(ipaddress.ip_network(cluster.service_cidr).hosts()))
    authority.issue(
        "kube-apiserver",
        dns=(
            *(cluster.api_hostname, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"),
            "kubernetes.default.svc.cluster.local",
        ),
        addresses=(cluster.api_address, service, "127.0.0.1"),
        server=True,
    ).write(folder / "apiserver")
    write_secret(folder / "service-accounts.key", signing_key())
    clients = {
        _ADMINISTRATOR: authority.issue("rehearsal-admin", organizations=("system:masters",), client=True),
        "controller-manager": authority.issue("system:kube-controller-manager", client=True),
        "scheduler": authority.issue("system:kube-scheduler", client=True),
        "kubelet": authority.issue(f"system:node:{cluster.node_name}", organizations=("system:nodes",), client=True),
    }
    inside = f"https://{cluster.api_address}:{cluster.api_port}"
    for name, identity in clients.items():
        identity.write(folder / name)
        target = layout.inside_kubeconfig(cluster) if name == _ADMINISTRATOR else folder / f"{name}.kubeconfig"
        write_kubeconfig(target, cluster.name, inside, authority.cert_pem, identity)
    outside = f"https://{cluster.api_hostname}:{cluster.api_port}"
    for target, identity in (
        (layout.management_kubeconfig(cluster), clients[_ADMINISTRATOR]),
        (layout.product_kubeconfig(cluster.name), authority.issue(PRODUCT_USER, client=True)),
    ):
        write_kubeconfig(target, cluster.name, outside, authority.cert_pem, identity, layout.proxy_url)
    log = layout.audit_log(cluster)
    log.parent.mkdir(mode=0o700, exist_ok=True)
    (folder / audit.FILE).write_text(audit.policy(), "ascii")


def write_kubeconfig(  # noqa: PLR0917 - a kubeconfig is these fields
    target: Path, name: str, server: str, authority: bytes, identity: KeyPair, proxy_url: str | None = None
) -> None:
    """Write a kubeconfig with one cluster, user and context, all named `name`, and embedded certificates."""
    cluster: dict[str, Any] = {"server": server, "certificate-authority-data": _encoded(authority)}
    if proxy_url is not None:
        cluster["proxy-url"] = proxy_url
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _encoded(identity.cert_pem),
                    "client-key-data": _encoded(identity.key_pem),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    write_secret(target, json.dumps(content, indent=2).encode() + b"\n")


def parts(layout: Layout, cluster: ManagementCluster) -> tuple[Part, ...]:
    """Return the parts in order of start; the node is last."""
    return (*api(layout, cluster), _scheduler(layout, cluster), _node(layout, cluster))


def api(layout: Layout, cluster: ManagementCluster) -> tuple[Part, ...]:
    """Return the parts that do not need root, in order of start: etcd, API server, controller manager."""
    return (_etcd(layout, cluster), _api_server(layout, cluster), _controller_manager(layout, cluster))


def _etcd(layout: Layout, cluster: ManagementCluster) -> Part:
    client, peer = f"http://{_etcd_address(cluster)}:2379", f"http://{_etcd_address(cluster)}:2380"
    return Part(
        name=f"{cluster.name}/etcd",
        command=(
            str(layout.program("etcd-3.6/etcd")),
            f"--name={cluster.name}",
            f"--data-dir={layout.root}/etcd/{cluster.name}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster={cluster.name}={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
        probe=lambda: probe.answers_http(_etcd_address(cluster), 2379, "/health"),
    )


def _api_server(layout: Layout, cluster: ManagementCluster) -> Part:
    folder = _folder(layout, cluster)
    return Part(
        name=f"{cluster.name}/kube-apiserver",
        command=(
            str(layout.program("kube-apiserver")),
            f"--etcd-servers=http://{_etcd_address(cluster)}:2379",
            f"--bind-address={cluster.api_address}",
            f"--advertise-address={cluster.api_address}",
            f"--secure-port={cluster.api_port}",
            f"--tls-cert-file={folder}/apiserver.crt",
            f"--tls-private-key-file={folder}/apiserver.key",
            f"--cert-dir={folder}/self-signed",
            f"--client-ca-file={folder}/ca.crt",
            f"--service-account-key-file={folder}/service-accounts.key",
            f"--service-account-signing-key-file={folder}/service-accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={cluster.service_cidr}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
            *audit.flags(f"{folder}/{audit.FILE}", str(layout.audit_log(cluster))),
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
            "--profiling=false",
        ),
        probe=_asks(layout, cluster, "/readyz"),
        after=(f"{cluster.name}/etcd",),
    )


def _controller_manager(layout: Layout, cluster: ManagementCluster) -> Part:
    folder = _folder(layout, cluster)
    return Part(
        name=f"{cluster.name}/kube-controller-manager",
        command=(
            str(layout.program("kube-controller-manager")),
            f"--kubeconfig={folder}/controller-manager.kubeconfig",
            f"--bind-address={_etcd_address(cluster)}",
            f"--cert-dir={folder}/self-signed-controller-manager",
            f"--root-ca-file={folder}/ca.crt",
            f"--service-account-private-key-file={folder}/service-accounts.key",
            f"--cluster-signing-cert-file={folder}/ca.crt",
            f"--cluster-signing-key-file={folder}/ca.key",
            "--use-service-account-credentials=true",
            "--kube-api-qps=200",  # with the default of 20 the start takes six seconds
            "--kube-api-burst=400",
            "--leader-elect=false",
            "--profiling=false",
        ),
        probe=lambda: _has_default_account(layout, cluster),
        after=(f"{cluster.name}/kube-apiserver",),
    )


def _scheduler(layout: Layout, cluster: ManagementCluster) -> Part:
    folder = _folder(layout, cluster)
    address = _etcd_address(cluster)
    return Part(
        name=f"{cluster.name}/kube-scheduler",
        command=(
            str(layout.program("kube-scheduler")),
            f"--kubeconfig={folder}/scheduler.kubeconfig",
            f"--authentication-kubeconfig={folder}/scheduler.kubeconfig",
            f"--authorization-kubeconfig={folder}/scheduler.kubeconfig",
            f"--bind-address={address}",
            f"--cert-dir={folder}/self-signed-scheduler",
            "--leader-elect=false",
            "--profiling=false",
        ),
        probe=lambda: probe.accepts(address, 10259),
        after=(f"{cluster.name}/kube-apiserver",),
    )


def _node(layout: Layout, cluster: ManagementCluster) -> Part:
    folder = _folder(layout, cluster)
    spec = node.NodeSpec(
        name=cluster.node_name,
        address=cluster.node_address,
        pod_cidr=cluster.pod_cidr,
        cluster_dns=cluster.name_server_address,
        kubeconfig=folder / "kubelet.kubeconfig",
        boot_id="",
        folder=layout.node(cluster.node_name),
        cgroup=node.cgroup(layout, cluster.node_name),
        programs=layout.program("kubelet").parent,
        disk=layout.disk("management"),
    )
    cgroups.create(spec.cgroup)
    return Part(
        name=f"{cluster.name}/node",
        command=node.command(spec),
        probe=lambda: probe.node_ready(
            cluster.api_address,
            cluster.api_port,
            cluster.node_name,
            ca=folder / "ca.crt",
            identity=folder / _ADMINISTRATOR,
            boot_id=spec.boot_id_file,
        ),
        limit=120,
    )


def _asks(layout: Layout, cluster: ManagementCluster, path: str) -> Callable[[], str | None]:
    folder = _folder(layout, cluster)
    return lambda: probe.answers_https(
        cluster.api_address, cluster.api_port, path, ca=folder / "ca.crt", identity=folder / _ADMINISTRATOR
    )


def _has_default_account(layout: Layout, cluster: ManagementCluster) -> str | None:
    """Check the default service account, which pods need and the controller manager creates."""
    return _asks(layout, cluster, "/api/v1/namespaces/default/serviceaccounts/default")()


def _folder(layout: Layout, cluster: ManagementCluster) -> Path:
    return layout.pki / cluster.name


def _etcd_address(cluster: ManagementCluster) -> str:
    """Return a loopback address of the region, reachable only by the control plane."""
    return f"127.0.1.{cluster.number}"


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
