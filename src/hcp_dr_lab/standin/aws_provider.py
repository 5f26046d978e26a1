"""The AWS provider of Cluster API: AWSMachines and their instances. This role is the dangerous one.

The deletion of an AWSMachine terminates its instance, unless the AWSMachine or its Cluster is paused. An AWSMachine
without provider ID gets a new instance, unless an instance has its name and its Cluster's tag.
"""

from __future__ import annotations

import base64

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import Change, RunInstance, TerminateInstance
from hcp_dr_lab.standin.pause import machine_api_paused, paused_condition
from hcp_dr_lab.standin.shape import (
    add_finalizer,
    body,
    condition,
    deleting,
    drop_finalizer,
    ensure,
    label,
    owner_named,
    set_status,
)
from hcp_dr_lab.standin.view import CloudInstance, View

_FINALIZER = "awsmachine.infrastructure.cluster.x-k8s.io"
_OWNED_TAG = "sigs.k8s.io/cluster-api-provider-aws/cluster/"
_GONE = ("terminated",)
_ALIVE = ("pending", "running")


def reconcile(view: View) -> list[Change]:
    changes: list[Change] = []
    for aws_machine in view.all(r.AWS_MACHINE):
        if view.active(aws_machine["metadata"]["namespace"], names.CAPI_PROVIDER):
            changes += _machine(view, aws_machine)
    return changes


def _machine(view: View, aws_machine: Object) -> list[Change]:
    namespace = aws_machine["metadata"]["namespace"]
    owner = owner_named(aws_machine, r.MACHINE.kind)
    machine = view.find(r.MACHINE, owner, namespace) if owner else None
    cluster = view.find(r.CLUSTER, label(machine, names.CLUSTER_NAME) or "", namespace) if machine else None
    if machine is None or cluster is None or _infrastructure(view, cluster) is None:
        return []
    paused = set_status(r.AWS_MACHINE, aws_machine, {"conditions": [paused_condition(view, cluster, aws_machine)]})
    if paused or machine_api_paused(cluster, aws_machine):
        return paused
    instance = _instance(view, aws_machine, cluster)
    if deleting(aws_machine):
        return _delete(aws_machine, instance)
    if instance is None and aws_machine["spec"].get("providerID"):
        return set_status(r.AWS_MACHINE, aws_machine, _lost(view, aws_machine))
    changes = add_finalizer(r.AWS_MACHINE, aws_machine, _FINALIZER)
    if instance is None:
        return changes + _run(view, aws_machine, machine, cluster)
    wanted = body(
        r.AWS_MACHINE,
        aws_machine["metadata"]["name"],
        namespace,
        spec={"providerID": instance.provider_id, "instanceID": instance.instance_id},
    )
    return (
        changes + ensure(view, r.AWS_MACHINE, wanted) + set_status(r.AWS_MACHINE, aws_machine, _status(view, instance))
    )


def _infrastructure(view: View, cluster: Object) -> Object | None:
    reference = cluster["spec"].get("infrastructureRef") or {}
    return view.find(r.AWS_CLUSTER, reference.get("name", ""), cluster["metadata"]["namespace"])


def _instance(view: View, aws_machine: Object, cluster: Object) -> CloudInstance | None:
    """Find the instance by provider ID, or without a provider ID by its name and its Cluster's tag, wherever it came
    from (GetRunningInstanceByTags)."""
    provider_id = aws_machine["spec"].get("providerID")
    if provider_id:
        return view.instances.get(provider_id.rsplit("/", 1)[-1])
    tags = {"Name": aws_machine["metadata"]["name"], f"{_OWNED_TAG}{cluster['metadata']['name']}": "owned"}
    mine = (item for item in view.instances.values() if tags.items() <= item.tags.items() and item.state in _ALIVE)
    return next(mine, None)


def _delete(aws_machine: Object, instance: CloudInstance | None) -> list[Change]:
    if instance is None or instance.state in _GONE:
        return drop_finalizer(r.AWS_MACHINE, aws_machine, _FINALIZER)
    if instance.state == "shutting-down":
        return []
    why = f"AWSMachine {names.path_name(aws_machine)} is being deleted"
    return [TerminateInstance(instance.instance_id, why)]


def _run(view: View, aws_machine: Object, machine: Object, cluster: Object) -> list[Change]:
    namespace, name = aws_machine["metadata"]["namespace"], aws_machine["metadata"]["name"]
    secret_name = machine["spec"]["bootstrap"].get("dataSecretName")
    secret = view.find(r.SECRET, secret_name, namespace) if secret_name else None
    infrastructure = _infrastructure(view, cluster)
    if secret is None or infrastructure is None or not (infrastructure.get("status") or {}).get("ready"):
        waiting = condition(view, "InstanceReady", "False", "WaitingForBootstrapData", "Waiting for the user data")
        return set_status(r.AWS_MACHINE, aws_machine, {"conditions": [waiting]})
    spec = aws_machine["spec"]
    tags = {
        "Name": name,
        f"{_OWNED_TAG}{cluster['metadata']['name']}": "owned",
        "sigs.k8s.io/cluster-api-provider-aws/role": "node",
        "MachineName": names.path_name(machine),
        **(spec.get("additionalTags") or {}),
    }
    return [
        RunInstance(
            image=(spec.get("ami") or {}).get("id", ""),
            instance_type=spec["instanceType"],
            subnet=(spec.get("subnet") or {}).get("id", ""),
            security_groups=tuple(
                group["id"] for group in spec.get("additionalSecurityGroups") or () if group.get("id")
            ),
            user_data=base64.b64decode(secret["data"]["value"]).decode(),
            tags=tags,
        )
    ]


def _status(view: View, instance: CloudInstance) -> Object:
    runs = instance.state == "running"
    state_and_reason = ("True", "Running") if runs else ("False", "InstanceNotReady")
    message = f"The instance is {instance.state}"
    return {
        "ready": runs,
        "instanceState": instance.state,
        "addresses": [
            {"type": "InternalIP", "address": instance.private_address},
            {"type": "InternalDNS", "address": instance.private_name},
        ],
        "conditions": [condition(view, "InstanceReady", *state_and_reason, message)],
    }


def _lost(view: View, aws_machine: Object) -> Object:
    message = f"There is no instance {aws_machine['spec']['providerID']}"
    return {"ready": False, "conditions": [condition(view, "InstanceReady", "Unknown", "InstanceNotFound", message)]}
