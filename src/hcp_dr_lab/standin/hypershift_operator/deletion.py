"""The deletion of a HostedCluster or NodePool, machines first, regardless of a pause."""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import Change, Patch
from hcp_dr_lab.standin.hypershift_operator import documents, permissions
from hcp_dr_lab.standin.pause import PAUSED
from hcp_dr_lab.standin.shape import annotation, delete, drop_finalizer, identity
from hcp_dr_lab.standin.view import View

_WHY = "its HostedCluster is being deleted"


def hosted_cluster(view: View, hosted: Object) -> list[Change]:
    """HCc:3769-3965. Every stage waits for the complete end of the previous stage: machines, private connections,
    control plane, OIDC documents, namespace. If nothing is left of the cluster, deletion starts with the documents."""
    namespace, name = names.control_plane_namespace(hosted), hosted["metadata"]["name"]
    cluster = view.find(r.CLUSTER, hosted["spec"]["infraID"], namespace)
    if cluster is not None and cluster["spec"].get("paused"):
        return [Patch(r.CLUSTER, *identity(cluster), {"spec": {"paused": False}}, why=f"un-paused: {_WHY}")]
    plane = view.find(r.HOSTED_CONTROL_PLANE, name, namespace)
    if plane is not None and annotation(hosted, names.CLEANUP) == "true" and annotation(plane, names.CLEANUP) != "true":
        mark = {"metadata": {"annotations": {names.CLEANUP: "true"}}}
        return [Patch(r.HOSTED_CONTROL_PLANE, name, namespace, mark, why=f"marked for cleanup: {_WHY}")]
    pools = [
        pool for pool in view.all(r.NODE_POOL, hosted["metadata"]["namespace"]) if pool["spec"]["clusterName"] == name
    ]
    if pools:
        return _delete_each(r.NODE_POOL, pools)
    if cluster is not None:
        return delete(r.CLUSTER, cluster, _WHY)
    changes: list[Change] = []
    for deployment in view.all(r.DEPLOYMENT, namespace):
        changes += drop_finalizer(r.DEPLOYMENT, deployment, names.COMPONENT_FINALIZER)
    ways = list(view.all(r.AWS_ENDPOINT_SERVICE, namespace))
    if ways:
        return changes + _delete_each(r.AWS_ENDPOINT_SERVICE, ways)
    if plane is not None:
        return changes + delete(r.HOSTED_CONTROL_PLANE, plane, _WHY)
    changes += documents.wipe(view, hosted)
    changes += permissions.remove(view, hosted, namespace, _WHY)
    space = view.find(r.NAMESPACE, namespace)
    if space is not None:
        return changes + delete(r.NAMESPACE, space, _WHY)
    return changes or drop_finalizer(r.HOSTED_CLUSTER, hosted, names.FINALIZER)


def node_pool(view: View, pool: Object) -> list[Change]:
    namespace = f"{pool['metadata']['namespace']}-{pool['spec']['clusterName']}".replace(".", "-")
    why, mark = "its NodePool is being deleted", names.path_name(pool)

    def own(resource: Resource) -> list[Object]:
        return [item for item in view.all(resource, namespace) if annotation(item, names.NODE_POOL) == mark]

    changes: list[Change] = []
    remaining: list[Object] = []
    for resource in (r.MACHINE_HEALTH_CHECK, r.MACHINE_DEPLOYMENT, r.MACHINE_SET):
        for item in own(resource):
            remaining.append(item)
            if resource is not r.MACHINE_HEALTH_CHECK and annotation(item, PAUSED) is not None:
                body = {"metadata": {"annotations": {PAUSED: None}}}
                changes.append(Patch(resource, *identity(item), body, why=f"un-paused: {why}"))
            if resource is not r.MACHINE_SET or r.MACHINE_DEPLOYMENT.kind not in _owner_kinds(item):
                changes += delete(resource, item, why)
    remaining += own(r.MACHINE)
    if remaining:
        return changes
    for item in own(r.AWS_MACHINE_TEMPLATE):
        changes += delete(r.AWS_MACHINE_TEMPLATE, item, why)
    for item in own(r.SECRET):
        changes += delete(r.SECRET, item, why)
    return changes or drop_finalizer(r.NODE_POOL, pool, names.FINALIZER)


def _owner_kinds(item: Object) -> set[str]:
    return {entry["kind"] for entry in item["metadata"].get("ownerReferences") or ()}


def _delete_each(resource: Resource, items: list[Object]) -> list[Change]:
    return [change for item in items for change in delete(resource, item, _WHY)]
