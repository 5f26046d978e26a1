"""Cluster API: MachineDeployment to MachineSet to Machine, only by owner references.

A machine with a controller of another UID is not counted, so a new machine is created; a machine without controller is
adopted. A restore depends on both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin import health_check, machine, machine_deployment
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.machines import (
    DEPLOYMENT_FINALIZER,
    MACHINE_SET_FINALIZER,
    available,
    children,
    owned,
    ready,
    scale_status,
)
from hcp_dr_lab.standin.pause import machine_api_paused, paused_condition
from hcp_dr_lab.standin.shape import (
    add_finalizer,
    add_owner,
    annotation,
    body,
    delete,
    deleting,
    drop_finalizer,
    set_status,
)
from hcp_dr_lab.standin.view import View

_CLUSTER_FINALIZER = "cluster.cluster.x-k8s.io"
_DELETE_FIRST = "cluster.x-k8s.io/delete-machine"


def reconcile(view: View) -> list[Change]:
    changes: list[Change] = []
    for cluster in view.all(r.CLUSTER):
        namespace = cluster["metadata"]["namespace"]
        if view.active(namespace, names.CLUSTER_API):
            changes += _reconcile(view, cluster, r.CLUSTER, cluster)
            for resource in _RECONCILERS:
                for found in view.all(resource, namespace):
                    if resource is not r.CLUSTER and found["spec"]["clusterName"] == cluster["metadata"]["name"]:
                        changes += _reconcile(view, cluster, resource, found)
    return changes


def _reconcile(view: View, cluster: Object, resource: Resource, found: Object) -> list[Change]:
    """Every object gets its finalizer and reports whether it is paused, also while it is paused. The rest waits until
    both are written (Reconcile of each controller)."""
    finalizer, act = _RECONCILERS[resource]
    changes = add_finalizer(resource, found, finalizer) if finalizer else []
    changes += set_status(resource, found, {"conditions": [paused_condition(view, cluster, found)]})
    return changes if changes or machine_api_paused(cluster, found) else act(view, cluster, found)


def _cluster(view: View, cluster: Object, _: Object) -> list[Change]:
    if deleting(cluster):
        return _delete_cluster(view, cluster)
    changes: list[Change] = []
    infrastructure = _infrastructure(view, cluster)
    for resource, found in ((r.AWS_CLUSTER, infrastructure), (r.HOSTED_CONTROL_PLANE, _control_plane(view, cluster))):
        if found is not None and not deleting(found):
            changes += add_owner(resource, found, cluster)
    namespace = cluster["metadata"]["namespace"]
    for found in view.all(r.AWS_MACHINE_TEMPLATE, namespace):
        if not deleting(found):
            changes += add_owner(r.AWS_MACHINE_TEMPLATE, found, cluster, controller=False)
    provisioned = bool(((infrastructure or {}).get("status") or {}).get("ready"))
    plane = _control_plane(view, cluster)
    initialized = bool(((plane or {}).get("status") or {}).get("initialized"))
    status = {
        "phase": "Provisioned" if provisioned else "Provisioning",
        "initialization": {"infrastructureProvisioned": provisioned, "controlPlaneInitialized": initialized},
        "observedGeneration": cluster["metadata"].get("generation", 1),
    }
    return changes + set_status(r.CLUSTER, cluster, status)


def _delete_cluster(view: View, cluster: Object) -> list[Change]:
    """Delete the owned objects first, then control plane and infrastructure, then the finalizer."""
    why = "its Cluster is being deleted"
    namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
    changes: list[Change] = []
    below: list[Object] = []
    for resource in (r.MACHINE_DEPLOYMENT, r.MACHINE_SET, r.MACHINE):
        for found in view.all(resource, namespace):
            if found["spec"]["clusterName"] == name:
                below.append(found)
                changes += delete(resource, found, why)
    if below:
        return changes
    parts = ((r.HOSTED_CONTROL_PLANE, _control_plane(view, cluster)), (r.AWS_CLUSTER, _infrastructure(view, cluster)))
    left = [(resource, found) for resource, found in parts if found is not None]
    for resource, found in left:
        changes += delete(resource, found, why)
    return changes if left else drop_finalizer(r.CLUSTER, cluster, _CLUSTER_FINALIZER)


def _infrastructure(view: View, cluster: Object) -> Object | None:
    reference = cluster["spec"].get("infrastructureRef")
    return view.find(r.AWS_CLUSTER, reference["name"], cluster["metadata"]["namespace"]) if reference else None


def _control_plane(view: View, cluster: Object) -> Object | None:
    reference = cluster["spec"].get("controlPlaneRef")
    return view.find(r.HOSTED_CONTROL_PLANE, reference["name"], cluster["metadata"]["namespace"]) if reference else None


def _machine_set(view: View, cluster: Object, found: Object) -> list[Change]:
    machines = list(owned(view, r.MACHINE, found))
    if deleting(found):
        if machines:
            return [
                change for item in machines for change in delete(r.MACHINE, item, "its MachineSet is being deleted")
            ]
        return drop_finalizer(r.MACHINE_SET, found, MACHINE_SET_FINALIZER)
    changes: list[Change] = []
    if _unowned(found):
        changes += add_owner(r.MACHINE_SET, found, cluster, controller=False)
    for orphan in children(view, r.MACHINE, found):
        if not deleting(orphan):
            changes += add_owner(r.MACHINE, orphan, found)
    sick = [item for item in machines if health_check.is_to_go(item)]
    changes += [
        change for item in sick for change in delete(r.MACHINE, item, "a health check found its node unhealthy")
    ]
    counted = list(children(view, r.MACHINE, found, with_owned=True))  # also in deletion: replaced only when gone
    missing = found["spec"].get("replicas", 1) - len(counted)
    if missing > 0:
        changes += [change for _ in range(missing) for change in _new_machine(view, found)]
    elif missing < 0:
        changes += _remove(found, counted, -missing)
    status = scale_status(found, counted) | {
        "readyReplicas": sum(map(ready, counted)),
        "availableReplicas": sum(map(available, counted)),
        "upToDateReplicas": len(counted),
    }
    return changes + set_status(r.MACHINE_SET, found, status)


def _unowned(found: Object) -> bool:
    """Return whether no MachineDeployment controls the MachineSet; then it belongs to the Cluster."""
    return not (found["metadata"].get("ownerReferences") or ())


def _new_machine(view: View, machine_set: Object) -> list[Change]:
    """Create a Machine and, from the template, an AWSMachine with the same name."""
    namespace, template = machine_set["metadata"]["namespace"], machine_set["spec"]["template"]
    reference = template["spec"]["infrastructureRef"]
    source = view.find(r.AWS_MACHINE_TEMPLATE, reference["name"], namespace)
    if source is None:
        return []
    name = f"{machine_set['metadata']['name']}-{view.keys.word(5)}"
    metadata = template.get("metadata") or {}
    labels = (metadata.get("labels") or {}) | {
        names.CLUSTER_NAME: machine_set["spec"]["clusterName"],
        "cluster.x-k8s.io/set-name": machine_set["metadata"]["name"],
    }
    deployment = (machine_set["metadata"].get("labels") or {}).get("cluster.x-k8s.io/deployment-name")
    if deployment is not None:
        labels["cluster.x-k8s.io/deployment-name"] = deployment
    marks: dict[str, str | None] = dict(metadata.get("annotations") or {})
    cloned: dict[str, str | None] = {
        "cluster.x-k8s.io/cloned-from-name": reference["name"],
        "cluster.x-k8s.io/cloned-from-groupkind": str(r.AWS_MACHINE_TEMPLATE),
    }
    spec = template["spec"] | {
        "infrastructureRef": {"apiGroup": r.AWS_MACHINE.group, "kind": r.AWS_MACHINE.kind, "name": name}
    }
    made = body(r.MACHINE, name, namespace, labels=labels, annotations=marks, owner=machine_set, spec=spec)
    infrastructure = body(
        r.AWS_MACHINE,
        name,
        namespace,
        labels=labels,
        annotations={**marks, **cloned},
        spec=source["spec"]["template"]["spec"],
    )
    return [machine.created(r.AWS_MACHINE, infrastructure), machine.created(r.MACHINE, made)]


def _remove(machine_set: Object, machines: list[Object], surplus: int) -> list[Change]:
    """Delete surplus machines: machines in deletion and marked machines first, then machines without a node, then the
    newest."""
    order = sorted(
        machines,
        key=lambda item: (
            not deleting(item),
            annotation(item, _DELETE_FIRST) is None,
            available(item),
            item["metadata"].get("creationTimestamp", ""),
        ),
    )
    why = f"MachineSet {machine_set['metadata']['name']} has {surplus} too many"
    return [change for item in order[:surplus] for change in delete(r.MACHINE, item, why)]


_RECONCILERS: Mapping[Resource, tuple[str, Callable[[View, Object, Object], list[Change]]]] = {
    r.CLUSTER: (_CLUSTER_FINALIZER, _cluster),
    r.MACHINE_DEPLOYMENT: (DEPLOYMENT_FINALIZER, machine_deployment.reconcile),
    r.MACHINE_SET: (MACHINE_SET_FINALIZER, _machine_set),
    r.MACHINE: (machine.FINALIZER, machine.reconcile),
    r.MACHINE_HEALTH_CHECK: ("", health_check.reconcile),
}
"""The finalizer and the rest, in order."""
