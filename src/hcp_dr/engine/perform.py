"""Carries out each action of the closed set through the ports. Only the next `observe` decides whether an action had an
effect."""

from __future__ import annotations

import base64
from collections.abc import Collection
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
from hcp_dr.hiding import texts_in, without, without_secret_fields
from hcp_dr.kube.resources import POD, SECRET
from hcp_dr.model import Ports

SHORT_GRACE = 1
"""Seconds. Never 0: that drops the Pod object without the kubelet's proof that the processes are gone."""


def perform(action: Action, ports: Ports) -> None:
    """Raises the classes of `hcp_dr.errors`, without secrets of the action: a server may quote the request."""
    try:
        _perform(action, ports)
    except HcpDrError as error:
        hide(error, secrets_of(action))
        raise


def hide(error: HcpDrError, secrets: Collection[str]) -> None:
    """Remove these values from the texts of the error."""
    for name, value in error.values.items():
        error.values[name] = without(value, secrets) if isinstance(value, str) else value
    error.what, error.left_as = without(error.what, secrets), without(error.left_as, secrets)
    error.remedy, error.args = without(error.remedy, secrets), (error.what,)


def secrets_of(action: Action) -> frozenset[str]:
    """The values of a Secret as it is sent and decoded, each line by itself; of another object, the texts with the name
    or the form of a secret."""
    match action:
        case Create(body={"kind": SECRET.kind, **fields}):
            encoded = texts_in((fields.get("data"), fields.get("stringData")))
            return frozenset(line for text in encoded for line in (text, *_decoded(text).splitlines()))
        case Create(body=sent) | Patch(patch=sent):
            return texts_in(sent) - texts_in(without_secret_fields(sent))
        case _:
            return frozenset()


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except ValueError:
        return ""


def _perform(action: Action, ports: Ports) -> None:
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
            _force_stop(action, ports)
        case WriteFile(path, text):
            ports.archive.write(path, text)
        case PutObject() | DeleteObject() | CopyObject():
            _in_bucket(action, ports.bucket)
        case ChangeRecords(changes):
            ports.zone.change(changes)
        case Protect(instance_id, on):
            ports.instances.protect(instance_id, on=on)
        case Remember() | Invalidate():
            raise AssertionError("the engine writes these to the journal before it performs actions")
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


def _force_stop(action: ForceStop, ports: Ports) -> None:
    cluster = ports.cluster(action.side)
    with suppress(KubernetesError):  # without a shell, or already gone: the pod ends in its own time
        cluster.execute(action.namespace, action.pod, action.container, ["/bin/sh", "-c", "kill -TERM 1"], seconds=10)
    cluster.delete(POD, action.pod, action.namespace, uid=action.uid, grace_seconds=SHORT_GRACE)


def repeated_action_error(step: str, action: Action, ports: Ports) -> HcpDrError:
    """The error for an action that succeeded twice and is needed again. In the bucket and in etcd's pod no other client
    is suspected: the action never took effect, despite the answers."""
    match action:
        case DeleteObject() | transfer.AbortUpload():
            return _not_done(action, ports, "but it is still there")
        case (
            PutObject()
            | CopyObject()
            | transfer.UploadSnapshot()
            | transfer.BeginUpload()
            | transfer.UploadPart()
            | transfer.CompleteUpload()
        ):
            return _not_done(action, ports, "but the result is missing")
        case transfer.SaveSnapshot(side, namespace, pod, path):
            return CommandFailed(
                command="etcdctl snapshot save",
                object=f"Pod {namespace}/{pod}",
                cluster=ports.cluster(side).name,
                code=0,
                reason=f"the snapshot was saved twice, but {path} is missing",
                left=DONE_SO_FAR,
                todo=f"Check the pod's volume, and find the process that removes files from it; then run {RESUME}.",
            )
    return Contested(step=step, action=action.describe(), suspects=suspects(action, ports))


def _not_done(action: Action, ports: Ports, but: str) -> BucketRefused:
    return BucketRefused(
        operation=f"to {action.describe()}",
        object=ports.bucket.name,
        reason=f"the bucket confirmed this twice, {but}",
        left=DONE_SO_FAR,
        todo="Check which server answers for the bucket (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, proxies), and the "
        f"lifecycle and replication rules of the bucket; then run {RESUME}.",
    )


def suspects(action: Action, ports: Ports) -> str:
    """Other writers of the action's object, by its field managers, as a sentence."""
    resource, name = getattr(action, "resource", None), getattr(action, "name", None)
    if resource is None or name is None:
        return ""
    try:
        item = ports.cluster(action.side).find(resource, name, action.namespace)  # type: ignore[union-attr]
    except HcpDrError:
        return ""
    managers = {entry.get("manager", "?") for entry in (item or {}).get("metadata", {}).get("managedFields", ())}
    return f"Field managers of the object: {', '.join(sorted(managers))}." if managers else ""
