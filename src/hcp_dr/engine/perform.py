"""The hands: each action of the closed set, carried out through the ports. What an action did is seen by the next
`observe`, never believed from here."""

from __future__ import annotations

import shlex
from contextlib import suppress

from hcp_dr.aws.port import Bucket
from hcp_dr.engine.step import (
    Action,
    ChangeRecords,
    CopyObject,
    Create,
    Delete,
    DeleteObject,
    Hurry,
    Patch,
    Protect,
    PutObject,
    Remember,
    SaveSnapshot,
    UploadSnapshot,
    WriteFile,
)
from hcp_dr.errors import CommandFailed, KubernetesError
from hcp_dr.kube.port import Completed
from hcp_dr.kube.resources import POD
from hcp_dr.model import Ports

ETCD_CONTAINER = "etcd"
ETCDCTL = (
    "ETCDCTL_API=3 etcdctl --endpoints=https://localhost:2379"
    " --cert /etc/etcd/tls/client/etcd-client.crt --key /etc/etcd/tls/client/etcd-client.key"
    " --cacert /etc/etcd/tls/etcd-ca/ca.crt"
)
"""The documented path of the CA is that of hosted releases before 4.12; since then it is this one."""

SHORT_GRACE = 1
"""Seconds. Never 0: that drops the pod's object without the kubelet's proof that its processes are gone."""

_URL_SECONDS = 3600
_STREAM_SECONDS = 3600.0


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
        case Hurry():
            _hurry(action, ports)
        case WriteFile(path, text):
            ports.archive.write(path, text)
        case PutObject() | DeleteObject() | CopyObject():
            _in_bucket(action, ports.bucket)
        case ChangeRecords(changes):
            ports.zone.change(changes)
        case Protect(instance_id, on):
            ports.instances.protect(instance_id, on=on)
        case SaveSnapshot():
            _save(action, ports)
        case UploadSnapshot():
            _upload(action, ports)
        case Remember():
            raise AssertionError("the journal remembers before the hands move")


def _in_bucket(action: PutObject | DeleteObject | CopyObject, bucket: Bucket) -> None:
    match action:
        case PutObject(key, body, metadata):
            bucket.put(key, body, metadata=metadata)
        case DeleteObject(key):
            bucket.delete(key)
        case CopyObject(source, key, metadata, etag):
            bucket.copy(source, key, metadata=metadata, if_etag=etag)


def _hurry(action: Hurry, ports: Ports) -> None:
    cluster = ports.cluster(action.side)
    with suppress(KubernetesError):  # without a shell, or gone already: it leaves in its own time
        cluster.execute(action.namespace, action.pod, action.container, ["/bin/sh", "-c", "kill -TERM 1"], seconds=10)
    cluster.delete(POD, action.pod, action.namespace, uid=action.uid, grace_seconds=SHORT_GRACE)


def _in_pod(
    action: SaveSnapshot | UploadSnapshot, ports: Ports, script: str, *, shown: str, stdin: bytes | None = None
) -> Completed:
    cluster = ports.cluster(action.side)
    completed = cluster.execute(
        action.namespace,
        action.pod,
        ETCD_CONTAINER,
        ["/bin/bash", "-c", script],
        stdin=stdin,
        seconds=_STREAM_SECONDS,
    )
    if completed.exit_code:
        raise CommandFailed(
            command=shown,
            object=f"Pod {action.namespace}/{action.pod}",
            cluster=cluster.name,
            code=completed.exit_code,
            reason=completed.stderr.decode(errors="replace").strip()[-256:] or "it said nothing",
        )
    return completed


def _save(action: SaveSnapshot, ports: Ports) -> None:
    path = shlex.quote(action.path)
    part = shlex.quote(action.path + ".part")
    script = f"set -e; rm -f {part}; {ETCDCTL} snapshot save {part} >/dev/null; mv {part} {path}"
    _in_pod(action, ports, script, shown="etcdctl snapshot save")


def _upload(action: UploadSnapshot, ports: Ports) -> None:
    """The URL is a key to the bucket while it lives: it goes in by stdin and is in no process list, here or there."""
    url, headers = ports.bucket.presign_put(
        action.key, seconds=_URL_SECONDS, sha256_hex=action.sha256, metadata=action.metadata
    )
    lines = [f'url = "{url}"', f'upload-file = "{action.path}"']
    lines += [f'header = "{name}: {value}"' for name, value in headers.items()]
    config = ("\n".join(lines) + "\n").encode()
    # Older API servers cannot close stdin, so that the pod is told how much to read.
    script = f"set -o pipefail; head -c {len(config)} | curl --silent --show-error --fail --config -"
    _in_pod(action, ports, script, shown="curl (presigned PUT)", stdin=config)
