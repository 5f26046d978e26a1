"""The status of a HostedControlPlane."""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.control_plane_operator import components, etcd, publishing, security_group
from hcp_dr_lab.standin.hypershift_operator import documents
from hcp_dr_lab.standin.pause import reconciliation_active
from hcp_dr_lab.standin.shape import condition, is_true, set_status
from hcp_dr_lab.standin.view import View


def update(view: View, plane: Object) -> list[Change]:
    etcd_serves = etcd.is_available(view, plane)
    api_serves = components.is_available(view, plane, components.API_SERVER)
    published = publishing.ready(view, plane)
    trusted = documents.valid(view, plane)
    available = etcd_serves and api_serves and published
    conditions = [
        reconciliation_active(view, plane),
        _make_condition(
            view,
            publishing.INFRASTRUCTURE_READY,
            published,
            "Services are reachable",
            "Waiting for routes and load balancers",
        ),
        _make_condition(view, "EtcdAvailable", etcd_serves, "Etcd has a quorum of ready members", "Waiting for etcd"),
        _make_condition(
            view, "KubeAPIServerAvailable", api_serves, "The API server is ready", "Waiting for kube-apiserver"
        ),
        condition(view, "ValidHostedControlPlaneConfiguration", "True", "AsExpected", "Configuration is valid"),
        _make_condition(
            view, "ValidAWSIdentityProvider", trusted, "AWS knows the tokens", "WebIdentityErr: no such key published"
        ),
        _make_condition(
            view, "Available", available, "The control plane is available", "The control plane is not yet available"
        ),
    ]
    if etcd.restore_url(plane) is not None and not is_true(plane, "EtcdSnapshotRestored"):
        done = etcd.counts_as_restored(view, plane)
        conditions.append(
            _make_condition(view, "EtcdSnapshotRestored", done, "Init containers are done", "Waiting for etcd-init")
        )
    image = plane["spec"]["releaseImage"]
    status: Object = {
        "conditions": conditions,
        "initialized": api_serves or bool((plane.get("status") or {}).get("initialized")),
        "ready": available,
        "externalManagedControlPlane": True,
        "version": names.release_version(image),
        "releaseImage": image,
        "platform": {"aws": {"defaultWorkerSecurityGroupID": security_group.identity(view, plane)}},
    }
    api = names.published(plane, "APIServer")
    if api is not None and published:
        status["controlPlaneEndpoint"] = {"host": api.hostname, "port": api.port}
    if view.find(r.SECRET, "admin-kubeconfig", plane["metadata"]["namespace"]) is not None:
        status["kubeConfig"] = {"name": "admin-kubeconfig", "key": "kubeconfig"}
        status["kubeadminPassword"] = {"name": "kubeadmin-password"}
    return set_status(r.HOSTED_CONTROL_PLANE, plane, status)


def _make_condition(view: View, kind: str, true: bool, yes: str, no: str) -> Object:  # noqa: FBT001
    return condition(view, kind, "True", "AsExpected", yes) if true else condition(view, kind, "False", "Waiting", no)
