"""The hands: each action of the closed set, carried out through the ports. What an action did is seen by the next
`observe`, never believed from here."""

from __future__ import annotations

from contextlib import suppress

from hcp_dr.aws.port import Bucket
from hcp_dr.engine import transfer
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import (
    Action,
    ChangeRecords,
    CopyObject,
    Create,
    Delete,
    DeleteObject,
    ForceStop,
    Invalidate,
    Patch,
    Protect,
    PutObject,
    WriteFile,
)
from hcp_dr.engine.untouched import DONE_SO_FAR
from hcp_dr.errors import RESUME, BucketRefused, CommandFailed, Contested, HcpDrError, KubernetesError
from hcp_dr.kube.resources import POD
from hcp_dr.model import Ports

SHORT_GRACE = 1
"""Seconds. Never 0: that drops the pod's object without the kubelet's proof that its processes are gone."""


def perform(action: Action, ports: Ports) -> None:
    """Raises the classes of `hcp_dr.errors`."""
    match action:
        case Create(side, resource, body):
            ports.cluster(side).create(resource, body)
        case Patch(side, resource, name, namespace, patch, subresource):
            ports.cluster(side).patch(resource, name, namespace, patch, subresource=subresource)
        case Delete(side, resource, name, namespace, uid, grace_seconds, propagation):
            ports.cluster(side).delete(
                resource, name, namespace, uid=uid, grace_seconds=grace_seconds, propagation=propagation
            )
        case ForceStop():
            _hurry(action, ports)
        case WriteFile(path, text):
            ports.archive.write(path, text)
        case PutObject() | DeleteObject() | CopyObject():
            _in_bucket(action, ports.bucket)
        case ChangeRecords(changes):
            ports.zone.change(changes)
        case Protect(instance_id, on):
            ports.instances.protect(instance_id, on=on)
        case Remember() | Invalidate():
            raise AssertionError("the journal remembers before the hands move")
        case _:
            transfer.carry_out(action, ports)


def _in_bucket(action: PutObject | DeleteObject | CopyObject, bucket: Bucket) -> None:
    match action:
        case PutObject(key, body, metadata):
            bucket.put(key, body, metadata=metadata)
        case DeleteObject(key):
            bucket.delete(key)
        case CopyObject(source, key, metadata, etag):
            bucket.copy(source, key, metadata=metadata, if_etag=etag)


def _hurry(action: ForceStop, ports: Ports) -> None:
    cluster = ports.cluster(action.side)
    with suppress(KubernetesError):  # without a shell, or gone already: it leaves in its own time
        cluster.execute(action.namespace, action.pod, action.container, ["/bin/sh", "-c", "kill -TERM 1"], seconds=10)
    cluster.delete(POD, action.pod, action.namespace, uid=action.uid, grace_seconds=SHORT_GRACE)


def in_vain(step: str, action: Action, ports: Ports) -> HcpDrError:
    """The error for an action that succeeded twice and is needed again. Where the first look found nothing, and the
    second finds nothing either, nobody undoes anything: then it never came about, whatever was answered."""
    match action:
        case (
            PutObject()
            | CopyObject()
            | transfer.UploadSnapshot()
            | transfer.BeginUpload()
            | transfer.UploadPart()
            | transfer.CompleteUpload()
        ):
            return BucketRefused(
                operation=f"to {action.describe()}",
                object=ports.bucket.name,
                reason="twice it was answered that this is done, and it is not there",
                left=DONE_SO_FAR,
                todo="Look at who answers in the bucket's place (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, proxies), and "
                f"at lifecycle rules of the bucket; then run {RESUME}.",
            )
        case transfer.SaveSnapshot(side, namespace, pod, path):
            return CommandFailed(
                command="etcdctl snapshot save",
                object=f"Pod {namespace}/{pod}",
                cluster=ports.cluster(side).name,
                code=0,
                reason=f"twice it was saved, and {path} is not there",
                left=DONE_SO_FAR,
                todo=f"Look at the pod's volume, and at who tidies it; then run {RESUME}.",
            )
    return Contested(step=step, action=action.describe(), suspects=suspects(action, ports))


def suspects(action: Action, ports: Ports) -> str:
    """Who else writes the object of an action, by its field managers, as a sentence."""
    resource, name = getattr(action, "resource", None), getattr(action, "name", None)
    if resource is None or name is None:
        return ""
    try:
        found = ports.cluster(action.side).find(resource, name, action.namespace)  # type: ignore[union-attr]
    except HcpDrError:
        return ""
    managers = {entry.get("manager", "?") for entry in (found or {}).get("metadata", {}).get("managedFields", ())}
    return f"Who writes it: {', '.join(sorted(managers))}." if managers else ""
