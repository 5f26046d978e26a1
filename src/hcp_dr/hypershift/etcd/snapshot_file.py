"""etcd's snapshot as a file in its pod: the space for it, the existing files, their integrity, and
their removal by an undo. Reading commands only."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from hcp_dr.aws.port import StoredObject
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Action, Check, Decision, Do, Done
from hcp_dr.engine.transfer import MEBIBYTE, AbortUpload, RemoveSnapshot
from hcp_dr.errors import RESUME, HcpDrError, Refused
from hcp_dr.hypershift import scope
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.state import ONLINE, UPLOAD, SnapshotFile
from hcp_dr.kube.port import Kubernetes
from hcp_dr.model import Case, Ports
from hcp_dr.upstream import ETCD

VOLUME = "/var/lib/data"
DATABASE = f"{VOLUME}/member/snap/db"
SPARE = 64 * MEBIBYTE
"""Bytes that a save must leave free: etcd preallocates its log in pieces of this size, and stops without space."""


@dataclass(frozen=True, slots=True)
class Glance:
    """Facts known without reading the file. In bytes; None if the pod does not report them. `stamp` identifies the
    file, "" if there is none; `names` are the files beside it."""

    free: int | None
    database: int | None
    stamp: str
    names: tuple[str, ...]

    @property
    def lacking(self) -> int:
        """How many bytes of free space a save lacks. It writes at most the size of the database."""
        if self.free is None or self.database is None:
            return 0
        return max(0, self.database + SPARE - self.free)

    def of_save(self, path: str) -> tuple[str, ...]:
        """Names of the files left by a save to this path, complete or not."""
        name = path.removeprefix(f"{VOLUME}/")
        return tuple(each for each in self.names if each in (name, f"{name}.part"))

    def of_online(self, path: str) -> tuple[str, ...]:
        """Paths of files left by other online backups: only one backup is at work at a time."""
        own = self.of_save(path)
        begins = f"snapshot-{ONLINE.name}-"
        return tuple(f"{VOLUME}/{each}" for each in self.names if each.startswith(begins) and each not in own)


def no_room(namespace: str, pod: str, lacking: int, stays: str) -> Refused:
    """`lacking` in bytes; `stays` describes the state of the source."""
    return Refused(
        what=f"The volume of pod {namespace}/{pod} lacks {-(-lacking // MEBIBYTE)} MiB of free space for etcd's "
        "snapshot: etcd would stop on a full disk.",
        left=f"There is no snapshot; {stays}.",
        todo=f"Remove other files from that volume, or enlarge its PersistentVolumeClaim, then run {RESUME}.",
    )


def encryption(stored: StoredObject) -> Check:
    text = f"the snapshot is stored with {stored.encryption or 'no encryption reported by the bucket'}"
    if stored.encryption:
        return Check("snapshot_encryption", "ok", text)
    why = "the snapshot holds every Secret of the hosted cluster"
    return Check("snapshot_encryption", "warning", text, why, "set BUCKET_ENCRYPTION, or the bucket's default")


def path_of(fence_id: str) -> str:
    """The name has the id of the fence."""
    return f"{VOLUME}/snapshot-{fence_id}.db"


def glance(cluster: Kubernetes, namespace: str, pod: str, path: str) -> Glance:
    script = (
        f"f={shlex.quote(path)}; "
        f'echo "room $(df -Pk {VOLUME} 2>/dev/null | tail -n 1)"; '
        f'echo "database $(stat -c %s {DATABASE} 2>/dev/null)"; '
        'echo "file $(stat -c \'%s %Y\' "$f" 2>/dev/null)"; '
        f"ls {VOLUME}"
    )
    completed = cluster.execute(namespace, pod, ETCD, ["/bin/bash", "-c", script])
    lines = completed.stdout.decode(errors="replace").splitlines()
    words = {line.partition(" ")[0]: line.split()[1:] for line in lines[:3]}
    room, database, stamp = (words.get(word, []) for word in ("room", "database", "file"))
    return Glance(
        free=int(room[3]) * 1024 if len(room) > 3 and room[3].isdigit() else None,
        database=int(database[0]) if database and database[0].isdigit() else None,
        stamp=f"{pod} {' '.join(stamp)}" if stamp else "",
        names=tuple(lines[3:]),
    )


def read_file(cluster: Kubernetes, namespace: str, pod: str, path: str, *, part_size: int, stamp: str) -> SnapshotFile:
    """The file, read completely. etcd 3.6 moved `snapshot status` from etcdctl to etcdutl."""
    quoted, blocks = shlex.quote(path), part_size // MEBIBYTE
    size = int(stamp.split()[1])
    count = -(-size // part_size) if size > part_size else 0
    offsets = " ".join(str(number * blocks) for number in range(count))
    script = (
        f"set -e; f={quoted}; "
        "if command -v etcdutl >/dev/null; then etcdutl snapshot status $f -w json; "
        "else ETCDCTL_API=3 etcdctl snapshot status $f -w json; fi; "
        "sha256sum < $f; head -c -32 $f | sha256sum; tail -c 32 $f | od -An -v -tx1 | tr -d ' \\n'; echo"
    )
    if count:
        part = f"dd if=$f bs={MEBIBYTE} skip=$n count={blocks} status=none | sha256sum"
        script += f"; for n in {offsets}; do {part}; done"
    completed = cluster.execute(namespace, pod, ETCD, ["/bin/bash", "-c", script], seconds=1800)
    lines = completed.stdout.decode(errors="replace").splitlines()
    if completed.exit_code or len(lines) < 4 + count:
        return SnapshotFile(size, "", "", 0, 0, intact=False, stamp=stamp)
    status = json.loads(lines[0])
    return SnapshotFile(
        size=size,
        sha256=lines[1].split()[0],
        hash=f"{int(status['hash']):x}",
        revision=int(status["revision"]),
        total_keys=int(status["totalKey"]),
        intact=lines[2].split()[0] == lines[3].strip(),
        parts=tuple(line.split()[0] for line in lines[4 : 4 + count]),
        stamp=stamp,
    )


@dataclass(frozen=True, slots=True)
class Left:
    """The remains of the transfer on the source and in the bucket. `unseen` are pods that could not be read."""

    namespace: str
    key: str
    files: tuple[tuple[str, str], ...]  # pod and path
    unfinished: tuple[str, ...]  # uploads to the key
    unseen: tuple[str, ...]


def look_back(ports: Ports, case: Case, memory: RunState) -> Left:
    fence_id = scope.snapshot_id(memory)
    path = path_of(str(fence_id))
    files, unseen = [], []
    for pod in etcd_members.ready_pods(ports.source, case) if fence_id else ():
        try:
            names = glance(ports.source, case.control_plane_namespace, pod, path).of_save(path)
        except HcpDrError:  # a leftover file must not keep the hosted API down
            unseen.append(pod)
            continue
        files += [(pod, f"{VOLUME}/{name}") for name in names]
    unfinished = ports.bucket.unfinished(case.snapshot_key) if memory.has(UPLOAD) else ()
    return Left(case.control_plane_namespace, case.snapshot_key, tuple(files), unfinished, tuple(unseen))


def revert(facts: Left) -> Decision:
    """The copy in the bucket is a backup like any other, and stays; etcd gets its space back."""
    actions: tuple[Action, ...] = (
        *(AbortUpload(facts.key, upload_id) for upload_id in facts.unfinished),
        *(RemoveSnapshot("source", facts.namespace, pod, path) for pod, path in facts.files),
    )
    if actions:
        return Do(actions)
    message = f"a snapshot may be left in {', '.join(facts.unseen)} of {facts.namespace}, in {VOLUME}"
    why = "those pods could not be read, and the file takes space on etcd's volume"
    checks = (Check("snapshot_file", "warning", message, why, "delete it by hand"),) if facts.unseen else ()
    return Done("no snapshot is left in etcd's volume", checks)
