"""The snapshot's way from etcd's pod to the bucket: the actions, and how to carry out each.

Uploads go straight from the pod to the bucket, by a presigned URL made at that moment. The next observation shows the
result of an action.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from hcp_dr.aws.page import REDIRECTED
from hcp_dr.aws.port import UploadedPart
from hcp_dr.engine import from_pod
from hcp_dr.errors import AwsBusy, AwsConflict, AwsUnreachable, BucketRefused, CommandFailed, HcpDrError
from hcp_dr.kube.port import Completed
from hcp_dr.model import Ports, Side
from hcp_dr.upstream import ETCD

ETCDCTL = (
    "ETCDCTL_API=3 etcdctl --endpoints=https://localhost:2379"
    " --cert /etc/etcd/tls/client/etcd-client.crt --key /etc/etcd/tls/client/etcd-client.key"
    " --cacert /etc/etcd/tls/etcd-ca/ca.crt"
)
"""The documented path of the CA is valid for hosted releases before 4.12; this is the path since then."""
MEBIBYTE = 1024 * 1024

_URL_SECONDS = 900
"""Until curl in the pod begins: a request that has begun may take longer."""
_STREAM_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class SaveSnapshot:
    """Save etcd's snapshot inside its pod, under a name that appears only for a complete file."""

    side: Side
    namespace: str
    pod: str
    path: str

    def describe(self) -> str:
        return f"save etcd snapshot in pod {self.namespace}/{self.pod} as {self.path}"


@dataclass(frozen=True, slots=True)
class RemoveSnapshot:
    """Remove a file of `SaveSnapshot` from the pod's volume, complete or not."""

    side: Side
    namespace: str
    pod: str
    path: str

    def describe(self) -> str:
        return f"remove {self.path} from pod {self.namespace}/{self.pod}"


@dataclass(frozen=True, slots=True)
class UploadSnapshot:
    """Send the snapshot in one piece, if the bucket has no object of that name."""

    side: Side
    namespace: str
    pod: str
    path: str
    key: str
    sha256: str
    metadata: Mapping[str, str]

    def describe(self) -> str:
        return f"upload {self.path} of pod {self.namespace}/{self.pod} to {self.key}"


@dataclass(frozen=True, slots=True)
class BeginUpload:
    """Begin to send an object in parts."""

    key: str
    metadata: Mapping[str, str]

    def describe(self) -> str:
        return f"begin to upload {self.key} in parts"


@dataclass(frozen=True, slots=True)
class UploadPart:
    """Send one part of the snapshot. `number` counts from 1; `offset`, in MiB, and `size`, in bytes, refer to the file;
    `sha256` is the part's digest."""

    side: Side
    namespace: str
    pod: str
    path: str
    key: str
    upload_id: str
    number: int
    offset: int
    size: int
    sha256: str

    def describe(self) -> str:
        return f"upload part {self.number} of {self.path} of pod {self.namespace}/{self.pod} to {self.key}"


@dataclass(frozen=True, slots=True)
class CompleteUpload:
    """Make the object from its parts, if the bucket has no object of that name."""

    key: str
    upload_id: str
    parts: tuple[UploadedPart, ...]

    def describe(self) -> str:
        return f"complete the upload of {self.key} from {len(self.parts)} parts"


@dataclass(frozen=True, slots=True)
class AbortUpload:
    """Delete the parts of an upload that was never completed."""

    key: str
    upload_id: str

    def describe(self) -> str:
        return f"abort the unfinished upload {self.upload_id} of {self.key}"


Transfer = SaveSnapshot | RemoveSnapshot | UploadSnapshot | BeginUpload | UploadPart | CompleteUpload | AbortUpload


def carry_out(action: Transfer, ports: Ports) -> None:
    """Raises the classes of `hcp_dr.errors`."""
    match action:
        case SaveSnapshot():
            _save(action, ports)
        case RemoveSnapshot(path=path):
            _run_in_pod(action, ports, f"rm -f {shlex.quote(path)}", shown="rm")
        case UploadSnapshot():
            _upload(action, ports)
        case BeginUpload(key, metadata):
            ports.bucket.begin_upload(key, metadata=metadata)
        case UploadPart():
            _upload_part(action, ports)
        case CompleteUpload(key, upload_id, parts):
            ports.bucket.complete_upload(key, upload_id, parts, if_absent=True)
        case AbortUpload(key, upload_id):
            ports.bucket.abort_upload(key, upload_id)


InPod = SaveSnapshot | RemoveSnapshot | UploadSnapshot | UploadPart


def _execute(action: InPod, ports: Ports, script: str) -> Completed:
    return ports.cluster(action.side).execute(
        action.namespace,
        action.pod,
        ETCD,
        ["/bin/bash", "-c", script],
        seconds=_STREAM_SECONDS,
    )


def _failure(action: InPod, ports: Ports, code: int, reason: str, shown: str) -> CommandFailed:
    return CommandFailed(
        command=shown,
        object=f"Pod {action.namespace}/{action.pod}",
        cluster=ports.cluster(action.side).name,
        code=code,
        reason=reason,
    )


def _last_line(completed: Completed) -> str:
    return completed.stderr.decode(errors="replace").strip()[-256:] or "the command printed no error"


def _run_in_pod(action: InPod, ports: Ports, script: str, *, shown: str) -> None:
    completed = _execute(action, ports, script)
    if completed.exit_code:
        raise _failure(action, ports, completed.exit_code, _last_line(completed), shown)


def _save(action: SaveSnapshot, ports: Ports) -> None:
    """An incomplete file is removed: etcd needs the space."""
    path, part = shlex.quote(action.path), shlex.quote(action.path + ".part")
    script = f"rm -f {part}; if {ETCDCTL} snapshot save {part} >/dev/null; then mv {part} {path}; "
    script += f"else rm -f {part}; exit 1; fi"
    _run_in_pod(action, ports, script, shown="etcdctl snapshot save")


def _upload(action: UploadSnapshot, ports: Ports) -> None:
    url, headers = ports.bucket.presign_put(
        action.key, seconds=_URL_SECONDS, sha256_hex=action.sha256, metadata=action.metadata, if_absent=True
    )
    _put(action, ports, [f'url = "{url}"', f'upload-file = "{action.path}"'], headers)


def _upload_part(action: UploadPart, ports: Ports) -> None:
    """The part is cut from the file on its way out, without disk or memory. curl would send a stream of unknown length
    in chunks, but S3 refuses those; so the request has a Content-Length."""
    url, headers = ports.bucket.presign_part(
        action.key, action.upload_id, action.number, seconds=_URL_SECONDS, sha256_hex=action.sha256
    )
    blocks = -(-action.size // MEBIBYTE)
    cut = f"dd if={shlex.quote(action.path)} bs={MEBIBYTE} skip={action.offset} count={blocks} status=none"
    lines = [f'url = "{url}"', 'header = "Transfer-Encoding:"', f'header = "Content-Length: {action.size}"']
    _put(action, ports, lines, headers, f" --upload-file <({cut})")


def _put(
    action: UploadSnapshot | UploadPart, ports: Ports, lines: list[str], headers: Mapping[str, str], source: str = ""
) -> None:
    lines = [*lines, *(f'header = "{name}: {value}"' for name, value in headers.items())]
    place = from_pod.Place(action.namespace, action.pod, ETCD)
    answer = from_pod.ask(ports.cluster(action.side), place, lines, options=source, seconds=_STREAM_SECONDS)
    if not answer.succeeded:
        raise _refusal(action, ports, answer)


def _refusal(action: UploadSnapshot | UploadPart, ports: Ports, answer: from_pod.Answer) -> HcpDrError:
    """The error for the bucket's answer to the pod, or for no answer."""
    values = {
        "service": "S3",
        "operation": f"PUT {action.key} from Pod {action.namespace}/{action.pod}",
        "object": ports.bucket.name,
        "reason": answer.why(),
    }
    if answer.interrupted:
        return AwsUnreachable(**values)
    if not answer.refused:
        return _failure(action, ports, answer.exit_code, answer.why(), "curl (presigned PUT)")
    status = answer.page.status
    if answer.page.redirects:
        return BucketRefused(**values, todo=REDIRECTED)
    if status == 412:
        return AwsConflict(**values)
    return AwsBusy(**values) if status == 429 or status >= 500 else BucketRefused(**values)
