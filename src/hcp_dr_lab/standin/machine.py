"""A Machine: one AWSMachine below it, one Node found by provider ID; deleted only after its AWSMachine is gone."""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.standin.change import Change, Create, DeleteHosted
from hcp_dr_lab.standin.shape import (
    add_owner,
    body,
    condition,
    controller_uid,
    delete,
    deleting,
    drop_finalizer,
    ensure,
    set_status,
    without_absent,
)
from hcp_dr_lab.standin.view import View, condition_status

FINALIZER = "machine.cluster.x-k8s.io"


def created(resource: Resource, wanted: Object) -> Create:
    return Create(resource, without_absent(wanted))


def reconcile(view: View, cluster: Object, machine: Object) -> list[Change]:
    name, namespace = machine["metadata"]["name"], machine["metadata"]["namespace"]
    infrastructure = view.find(r.AWS_MACHINE, machine["spec"]["infrastructureRef"]["name"], namespace)
    if deleting(machine):
        return _delete(view, cluster, machine, infrastructure)
    changes: list[Change] = []
    if controller_uid(machine) is None and not (machine["metadata"].get("ownerReferences") or ()):
        changes += add_owner(r.MACHINE, machine, cluster, controller=False)
    if infrastructure is not None and not deleting(infrastructure):
        changes += add_owner(r.AWS_MACHINE, infrastructure, machine)
        provider_id = infrastructure["spec"].get("providerID")
        provisioned = bool((infrastructure.get("status") or {}).get("ready"))
        if provider_id and provisioned:
            wanted = body(r.MACHINE, name, namespace, spec={"providerID": provider_id})
            changes += ensure(view, r.MACHINE, wanted)
    return changes + set_status(r.MACHINE, machine, _status(view, machine, infrastructure))


def node_of(view: View, machine: Object) -> Object | None:
    """Find the Node with the machine's provider ID in the hosted cluster."""
    provider_id = machine["spec"].get("providerID")
    nodes = view.hosted_nodes.get(machine["metadata"]["namespace"], ())
    return next(
        (node for node in nodes if provider_id and (node.get("spec") or {}).get("providerID") == provider_id), None
    )


def _delete(view: View, cluster: Object, machine: Object, infrastructure: Object | None) -> list[Change]:
    """The Node of a deleted Cluster is left (isDeleteNodeAllowed)."""
    if infrastructure is not None:
        return delete(r.AWS_MACHINE, infrastructure, f"its Machine {machine['metadata']['name']} is being deleted")
    node = None if deleting(cluster) else node_of(view, machine)
    changes: list[Change] = []
    if node is not None:
        metadata = node["metadata"]
        own, why = machine["metadata"]["namespace"], f"its Machine {machine['metadata']['name']} is being deleted"
        changes.append(DeleteHosted(own, r.NODE, None, metadata["name"], metadata["uid"], why))
    return changes + drop_finalizer(r.MACHINE, machine, FINALIZER)


def _status(view: View, machine: Object, infrastructure: Object | None) -> Object:
    infrastructure_status = (infrastructure or {}).get("status") or {}
    provisioned = bool(infrastructure_status.get("ready"))
    node = node_of(view, machine)
    works = node is not None and condition_status(node, "Ready") == "True"
    phase = "Running" if node is not None else "Provisioned" if provisioned else "Provisioning"

    def make_condition(kind: str, *, true: bool, otherwise: str) -> Object:
        return condition(view, kind, "True" if true else "False", kind if true else otherwise)

    status: Object = {
        "phase": phase,
        "initialization": {
            "bootstrapDataSecretCreated": bool(machine["spec"]["bootstrap"].get("dataSecretName")),
            "infrastructureProvisioned": provisioned,
        },
        "observedGeneration": machine["metadata"].get("generation", 1),
        "conditions": [
            make_condition("InfrastructureReady", true=provisioned, otherwise="NotReady"),
            make_condition("NodeHealthy", true=works, otherwise="NodeNotHealthy"),
            make_condition("Ready", true=works, otherwise="NotReady"),
            make_condition("Available", true=works, otherwise="NotAvailable"),
        ],
    }
    if infrastructure_status.get("addresses"):
        status["addresses"] = infrastructure_status["addresses"]
    if node is not None:
        status["nodeRef"] = {"name": node["metadata"]["name"]}
    return status
