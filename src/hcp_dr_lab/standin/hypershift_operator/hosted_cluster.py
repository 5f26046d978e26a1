"""One HostedCluster: control plane namespace, copies of inputs, HCP, operators, Cluster API objects.

A paused HostedCluster only gets its finalizer and condition, and propagates the pause, in the order of the upstream
source.
"""

from __future__ import annotations

from typing import Any

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names, payload
from hcp_dr_lab.standin import controllers
from hcp_dr_lab.standin.change import Change, Patch
from hcp_dr_lab.standin.hypershift_operator import documents, inputs, permissions, status
from hcp_dr_lab.standin.pause import is_paused, reconciliation_active
from hcp_dr_lab.standin.shape import (
    ABSENT,
    add_finalizer,
    annotation,
    body,
    deleting,
    ensure,
    identity,
    set_status,
)
from hcp_dr_lab.standin.view import View
from hcp_dr_lab.standin.workload import Container, deployment

# Fields of the HostedCluster's spec that the HostedControlPlane has under the same name.
# fmt: off
_HANDED_DOWN = (
    "pullSecret", "sshKey", "networking", "services", "etcd", "configuration", "issuerURL",
    "serviceAccountSigningKey", "platform", "dns", "clusterID", "infraID", "secretEncryption",
    "controllerAvailabilityPolicy", "infrastructureAvailabilityPolicy", "additionalTrustBundle",
    "auditWebhook", "autoscaling", "channel", "fips", "imageContentSources", "kubeAPIServerDNSName",
    "labels", "nodeSelector", "olmCatalogPlacement", "tolerations", "updateService", "capabilities",
    "operatorConfiguration", "monitoring",
)
# fmt: on


def reconcile(view: View, hosted: Object) -> list[Change]:
    changes = add_finalizer(r.HOSTED_CLUSTER, hosted, names.FINALIZER)
    if is_paused(hosted, view.now):
        return changes + _pass_pause_on(view, hosted)
    return changes + _build(view, hosted) + status.update(view, hosted)


def _pass_pause_on(view: View, hosted: Object) -> list[Change]:
    namespace, name = names.control_plane_namespace(hosted), hosted["metadata"]["name"]
    until, infra_id = hosted["spec"]["pausedUntil"], hosted["spec"]["infraID"]
    changes: list[Change] = []
    plane = view.find(r.HOSTED_CONTROL_PLANE, name, namespace)
    if plane is not None and plane["spec"].get("pausedUntil") != until:
        changes.append(Patch(r.HOSTED_CONTROL_PLANE, name, namespace, {"spec": {"pausedUntil": until}}))
    cluster = view.find(r.CLUSTER, infra_id, namespace)
    if view.release.pauses_cluster and cluster is not None and not cluster["spec"].get("paused"):
        changes.append(Patch(r.CLUSTER, infra_id, namespace, {"spec": {"paused": True}}))
    condition = reconciliation_active(view, hosted)
    return changes + set_status(r.HOSTED_CLUSTER, hosted, {"conditions": [condition]})


def _build(view: View, hosted: Object) -> list[Change]:
    namespace = names.control_plane_namespace(hosted)
    found = view.find(r.NAMESPACE, namespace)
    if found is not None and deleting(found):
        return []
    changes = ensure(view, r.NAMESPACE, _namespace(namespace))
    changes += inputs.annotate(view, hosted) + inputs.copies(view, hosted)
    changes += ensure(view, r.HOSTED_CONTROL_PLANE, _control_plane(hosted, namespace))
    plane = view.find(r.HOSTED_CONTROL_PLANE, hosted["metadata"]["name"], namespace)
    if plane is None:
        return changes
    changes += permissions.reconcile(view, hosted, namespace)
    image = payload.of(plane["spec"]["releaseImage"]).operator
    operator = (Container(names.CONTROL_PLANE_OPERATOR, image=image),)
    changes += ensure(view, r.DEPLOYMENT, deployment(names.CONTROL_PLANE_OPERATOR, namespace, operator))
    changes += ensure(view, r.AWS_CLUSTER, _aws_cluster(hosted, plane, namespace))
    changes += _cluster_changes(view, hosted, namespace)
    aws_cluster = view.find(r.AWS_CLUSTER, hosted["metadata"]["name"], namespace)
    if aws_cluster is not None:
        changes += set_status(r.AWS_CLUSTER, aws_cluster, {"ready": True})
    if view.find(r.CLUSTER, hosted["spec"]["infraID"], namespace) is not None:
        for name in (names.CLUSTER_API, names.CAPI_PROVIDER):
            wanted = _controller(view, name, namespace)
            wanted["metadata"]["finalizers"] = [names.COMPONENT_FINALIZER]
            changes += ensure(view, r.DEPLOYMENT, wanted)
    return changes + documents.upload(view, hosted, plane)


def _controller(view: View, name: str, namespace: str) -> Object:
    """An idle pod, if the controller is played."""
    if view.controllers is None:
        return deployment(name, namespace)
    return controllers.workload(name, namespace, view.controllers)


def _namespace(namespace: str) -> Object:
    labels = {
        names.CONTROL_PLANE: "true",
        "pod-security.kubernetes.io/enforce": "privileged",
        "security.openshift.io/scc.podSecurityLabelSync": "false",
    }
    return body(r.NAMESPACE, namespace, labels=labels)


def _control_plane(hosted: Object, namespace: str) -> Object:
    spec: dict[str, Any] = {key: hosted["spec"][key] for key in _HANDED_DOWN if key in hosted["spec"]}
    # These have other names in the control plane namespace.
    spec["pullSecret"] = {"name": inputs.PULL_SECRET}
    spec["sshKey"] = {"name": inputs.SSH_KEY} if hosted["spec"].get("sshKey", {}).get("name") else {"name": ""}
    if inputs.signing_key_name(hosted):
        spec["serviceAccountSigningKey"] = {"name": inputs.SIGNING_KEY}
    annotations: dict[str, str | None] = {names.HOSTED_CLUSTER: names.path_name(hosted)}
    annotations[names.RESTORED] = annotation(hosted, names.RESTORED)  # removed if the HostedCluster has none
    if (order := annotation(hosted, names.CLEANUP)) is not None:
        annotations[names.CLEANUP] = order
    return body(
        r.HOSTED_CONTROL_PLANE,
        hosted["metadata"]["name"],
        namespace,
        labels={names.CLUSTER_NAME: hosted["spec"]["infraID"]},
        annotations=annotations,
        spec=spec | {"releaseImage": hosted["spec"]["release"]["image"], "pausedUntil": ABSENT},
    )


def _cluster_changes(view: View, hosted: Object, namespace: str) -> list[Change]:
    """The operator creates the Cluster once, and leaves it to Cluster API (reconcileCAPICluster). Since 4.18 it also
    un-pauses the Cluster, before Cluster API is deployed: there a pause of the Cluster alone protects no machine."""
    found = view.find(r.CLUSTER, hosted["spec"]["infraID"], namespace)
    if found is None:
        return ensure(view, r.CLUSTER, _cluster(hosted, namespace))
    if view.release.pauses_cluster and found["spec"].get("paused") and not deleting(found):
        return [Patch(r.CLUSTER, *identity(found), {"spec": {"paused": False}})]
    return []


def _cluster(hosted: Object, namespace: str) -> Object:
    name = hosted["metadata"]["name"]
    return body(
        r.CLUSTER,
        hosted["spec"]["infraID"],
        namespace,
        annotations={names.HOSTED_CLUSTER: names.path_name(hosted)},
        spec={
            "paused": False,
            "controlPlaneEndpoint": _endpoint(hosted),
            "controlPlaneRef": {
                "apiGroup": r.HOSTED_CONTROL_PLANE.group,
                "kind": r.HOSTED_CONTROL_PLANE.kind,
                "name": name,
            },
            "infrastructureRef": {"apiGroup": r.AWS_CLUSTER.group, "kind": r.AWS_CLUSTER.kind, "name": name},
        },
    )


def _aws_cluster(hosted: Object, plane: Object, namespace: str) -> Object:
    aws = hosted["spec"]["platform"]["aws"]
    network: Object = {"vpc": {"id": (aws.get("cloudProviderConfig") or {}).get("vpc", "")}}
    return body(
        r.AWS_CLUSTER,
        plane["metadata"]["name"],
        namespace,
        annotations={
            names.HOSTED_CLUSTER: names.path_name(hosted),
            "cluster.x-k8s.io/managed-by": "external",
        },
        spec={
            "region": aws["region"],
            "network": network,
            "controlPlaneEndpoint": _endpoint(hosted),
            "additionalTags": {f"kubernetes.io/cluster/{hosted['spec']['infraID']}": "owned"},
        },
    )


def _endpoint(hosted: Object) -> Object:
    api = names.published(hosted, "APIServer")
    return {"host": api.hostname, "port": api.port} if api else {"host": "", "port": names.PUBLISHED_PORT}
