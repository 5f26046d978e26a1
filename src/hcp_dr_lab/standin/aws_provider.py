"""The AWS provider of Cluster API: AWSMachines and their instances. This role is the dangerous one.

The deletion of an AWSMachine terminates its instance, unless the AWSMachine or its Cluster is paused. An AWSMachine
without provider ID gets a new instance, even if it had another instance before.
"""

from __future__ import annotations

import base64

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.change import Change, RunInstance, TerminateInstance
from hcp_dr_lab.standin.pause import machine_api_paused
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
_UID_TAG = "sigs.k8s.io/cluster-api-provider-aws/machine-uid"
_OWNED_TAG = "sigs.k8s.io/cluster-api-provider-aws/cluster/"
_GONE = ("terminated",)


def reconcile(view: View) -> list[Change]:
    changes: list[Change] = []
    for found in view.all(r.AWS_MACHINE):
        if view.active(found["metadata"]["namespace"], names.CAPI_PROVIDER):
            changes += _machine(view, found)
    return changes


def _machine(view: View, found: Object) -> list[Change]:
    namespace = found["metadata"]["namespace"]
    owner = owner_named(found, r.MACHINE.kind)
    machine = view.find(r.MACHINE, owner, namespace) if owner else None
    cluster = view.find(r.CLUSTER, label(found, names.CLUSTER_NAME) or "", namespace)
    if machine is None or cluster is None or machine_api_paused(cluster, found):
        return []
    instance = _instance(view, found)
    if deleting(found):
        return _delete(found, instance)
    changes = add_finalizer(r.AWS_MACHINE, found, _FINALIZER)
    if instance is None:
        if found["spec"].get("providerID"):
            return changes + set_status(r.AWS_MACHINE, found, _lost(view, found))
        return changes + _run(view, found, machine, cluster)
    wanted = body(
        r.AWS_MACHINE,
        found["metadata"]["name"],
        namespace,
        spec={"providerID": instance.provider_id, "instanceID": instance.instance_id},
    )
    return changes + ensure(view, r.AWS_MACHINE, wanted) + set_status(r.AWS_MACHINE, found, _status(view, instance))


def _instance(view: View, found: Object) -> CloudInstance | None:
    """Find the instance by provider ID, or without a provider ID the instance that was run for this object."""
    provider_id = found["spec"].get("providerID")
    if provider_id:
        return view.instances.get(provider_id.rsplit("/", 1)[-1])
    uid = found["metadata"]["uid"]
    mine = (item for item in view.instances.values() if item.tags.get(_UID_TAG) == uid and item.state not in _GONE)
    return next(mine, None)


def _delete(found: Object, instance: CloudInstance | None) -> list[Change]:
    if instance is None or instance.state in _GONE:
        return drop_finalizer(r.AWS_MACHINE, found, _FINALIZER)
    if instance.state == "shutting-down":
        return []
    why = f"AWSMachine {names.path_name(found)} is being deleted"
    return [TerminateInstance(instance.instance_id, why)]


def _run(view: View, found: Object, machine: Object, cluster: Object) -> list[Change]:
    namespace, name = found["metadata"]["namespace"], found["metadata"]["name"]
    secret_name = machine["spec"]["bootstrap"].get("dataSecretName")
    secret = view.find(r.SECRET, secret_name, namespace) if secret_name else None
    reference = cluster["spec"].get("infrastructureRef") or {}
    infrastructure = view.find(r.AWS_CLUSTER, reference.get("name", ""), namespace)
    if secret is None or infrastructure is None or not (infrastructure.get("status") or {}).get("ready"):
        waiting = condition(view, "InstanceReady", "False", "WaitingForBootstrapData", "Waiting for the user data")
        return set_status(r.AWS_MACHINE, found, {"conditions": [waiting]})
    spec = found["spec"]
    tags = {
        "Name": name,
        f"{_OWNED_TAG}{cluster['metadata']['name']}": "owned",
        "sigs.k8s.io/cluster-api-provider-aws/role": "node",
        _UID_TAG: found["metadata"]["uid"],
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


def _lost(view: View, found: Object) -> Object:
    message = f"There is no instance {found['spec']['providerID']}"
    return {"ready": False, "conditions": [condition(view, "InstanceReady", "Unknown", "InstanceNotFound", message)]}
