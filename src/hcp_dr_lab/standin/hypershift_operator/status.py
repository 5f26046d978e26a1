"""The status of a HostedCluster, and the published credentials in its own namespace."""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin import monitoring_recovery
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.pause import reconciliation_active
from hcp_dr_lab.standin.shape import (
    ABSENT,
    annotation,
    body,
    condition,
    ensure,
    is_true,
    set_status,
    time_text,
)
from hcp_dr_lab.standin.view import View

_BEEN_AVAILABLE = "hypershift.openshift.io/HasBeenAvailable"
_PASSED_UP = (
    "InfrastructureReady",
    "EtcdAvailable",
    "KubeAPIServerAvailable",
    "ValidHostedControlPlaneConfiguration",
    "EtcdSnapshotRestored",
    "ValidAWSIdentityProvider",
    monitoring_recovery.RECOVERED,
)


def update(view: View, hosted: Object) -> list[Change]:
    namespace, name = names.control_plane_namespace(hosted), hosted["metadata"]["name"]
    plane = view.find(r.HOSTED_CONTROL_PLANE, name, namespace)
    changes = _handed_out(view, hosted, plane)
    changes += set_status(r.HOSTED_CLUSTER, hosted, _status(view, hosted, plane))
    if is_true(plane, "Available"):
        mark = body(r.HOSTED_CLUSTER, name, hosted["metadata"]["namespace"], annotations={_BEEN_AVAILABLE: "true"})
        changes += ensure(view, r.HOSTED_CLUSTER, mark)
    if is_true(plane, monitoring_recovery.RECOVERED) and annotation(hosted, names.RESTORED) is not None:
        mark = body(r.HOSTED_CLUSTER, name, hosted["metadata"]["namespace"], annotations={names.RESTORED: ABSENT})
        changes += ensure(view, r.HOSTED_CLUSTER, mark)
    return changes


def _status(view: View, hosted: Object, plane: Object | None) -> Object:
    available = is_true(plane, "Available")
    generation = hosted["metadata"].get("generation", 0)
    conditions = [reconciliation_active(view, hosted)]
    conditions.append(
        condition(view, "Available", "True", "AsExpected", "The hosted control plane is available")
        if available
        else condition(view, "Available", "False", "WaitingForAvailable", "Waiting for the hosted control plane")
    )
    conditions.append(
        condition(view, "Progressing", "False", "AsExpected", "The hosted cluster is at its desired version")
        if available
        else condition(view, "Progressing", "True", "RollingOut", "The control plane is rolling out")
    )
    conditions.append(condition(view, "ValidConfiguration", "True", "AsExpected", "Configuration passes validation"))
    conditions.append(
        condition(view, "SupportedHostedCluster", "True", "AsExpected", "The hosted version is supported")
    )
    conditions.append(condition(view, "ValidReleaseImage", "True", "AsExpected", "The release image is valid"))
    plane_conditions = {entry["type"]: entry for entry in ((plane or {}).get("status") or {}).get("conditions") or ()}
    conditions += [plane_conditions[kind] for kind in _PASSED_UP if kind in plane_conditions]
    status: Object = {
        "conditions": [entry | {"observedGeneration": generation} for entry in conditions],
        "version": _version(view, hosted, available=available),
    }
    if plane is not None:
        status["platform"] = {"aws": {"defaultWorkerSecurityGroupID": worker_security_group(plane)}}
        for field in ("controlPlaneEndpoint",):
            if endpoint := (plane.get("status") or {}).get(field):
                status[field] = endpoint
        if ignition := names.published_hostname(hosted, "Ignition"):
            status["ignitionEndpoint"] = ignition
        if (plane.get("status") or {}).get("kubeConfig"):
            status["kubeconfig"] = {"name": f"{hosted['metadata']['name']}-admin-kubeconfig"}
            status["kubeadminPassword"] = {"name": f"{hosted['metadata']['name']}-kubeadmin-password"}
    return status


def worker_security_group(plane: Object) -> str:
    """Return the group in the HCP's status, or an empty text until the HCP's operator has found it."""
    found: str = (
        ((plane.get("status") or {}).get("platform") or {}).get("aws", {}).get("defaultWorkerSecurityGroupID", "")
    )
    return found


def _version(view: View, hosted: Object, *, available: bool) -> Object:
    image = hosted["spec"]["release"]["image"]
    version = names.release_version(image)
    present = ((hosted.get("status") or {}).get("version") or {}).get("history") or [{}]
    newest = present[0] if present[0].get("image") == image else {}
    entry: Object = {
        "image": image,
        "version": version,
        "verified": False,
        "state": "Completed" if available or newest.get("state") == "Completed" else "Partial",
        "startedTime": newest.get("startedTime") or time_text(view),
        "completionTime": newest.get("completionTime"),
    }
    if entry["state"] == "Completed" and entry["completionTime"] is None:
        entry["completionTime"] = time_text(view)
    older = present[1:] if newest else [item for item in present if item]
    return {
        "desired": {"image": image, "version": version},
        "history": [entry, *older],
        "observedGeneration": hosted["metadata"].get("generation", 1),
        "availableUpdates": [],
    }


def _handed_out(view: View, hosted: Object, plane: Object | None) -> list[Change]:
    changes: list[Change] = []
    kubeconfig = ((plane or {}).get("status") or {}).get("kubeConfig")
    if not kubeconfig:
        return changes
    namespace, name = names.control_plane_namespace(hosted), hosted["metadata"]["name"]
    for original, copy in (
        (kubeconfig["name"], f"{name}-admin-kubeconfig"),
        ("kubeadmin-password", f"{name}-kubeadmin-password"),
    ):
        found = view.find(r.SECRET, original, namespace)
        if found is not None:
            wanted = body(r.SECRET, copy, hosted["metadata"]["namespace"], owner=hosted, data=found["data"])
            changes += ensure(view, r.SECRET, wanted)
    return changes
