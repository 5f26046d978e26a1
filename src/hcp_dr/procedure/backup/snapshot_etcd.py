"""Saves the fenced etcd in its pod, verifies the file there, and sends it straight from the pod to the bucket by a
presigned PUT: no AWS key enters the pod, and no URL a process list. One member is the truth, and its file must reach
at least as far as the fenced etcd did.

The file bears the fence's id in its name, so that no snapshot of another fence can be taken for this one's.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace

from hcp_dr.aws.port import StoredObject
from hcp_dr.engine.journal import Memory
from hcp_dr.engine.perform import ETCD_CONTAINER
from hcp_dr.engine.step import (
    Decision,
    DeleteObject,
    Do,
    Done,
    PutObject,
    Refuse,
    SaveSnapshot,
    Step,
    UploadSnapshot,
    Wait,
    WriteFile,
)
from hcp_dr.errors import FenceBroken, HcpDrError, SnapshotDoubtful
from hcp_dr.kube.port import Kubernetes
from hcp_dr.model import Case, Later, Ports
from hcp_dr.objects.archive import MANIFEST, Manifest, Snapshot, read_manifest
from hcp_dr.procedure import etcd
from hcp_dr.procedure.fencing import BREACHES, Fence, look_at


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """The file in the pod. `hash`, `revision` and `total_keys` are etcd's words for it; `intact` says that the sha256
    at its end, which etcd appends to a whole snapshot, is that of the rest."""

    size: int
    sha256: str
    hash: str
    revision: int
    total_keys: int
    intact: bool


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    bucket: str
    key: str
    manifest_key: str
    fence: Fence
    fence_id: str | None
    fence_revision: int | None  # etcd's, when it stood still
    pod: str | None
    file: SnapshotFile | None
    stored: StoredObject | None
    manifest: Manifest | None
    stored_manifest: StoredObject | None
    void: tuple[str, ...] = ()  # remembered: ids of fences that were lifted

    @property
    def path(self) -> str:
        return f"/var/lib/data/snapshot-{self.fence_id}.db"


def read_file(cluster: Kubernetes, namespace: str, pod: str, path: str) -> SnapshotFile | None:
    """None where there is no such file. etcd 3.6 moved `snapshot status` from etcdctl to etcdutl."""
    quoted = shlex.quote(path)
    script = (
        f"set -e; f={quoted}; test -e $f || exit 0; "
        "if command -v etcdutl >/dev/null; then etcdutl snapshot status $f -w json; "
        "else ETCDCTL_API=3 etcdctl snapshot status $f -w json; fi; "
        "stat -c %s $f; sha256sum < $f; head -c -32 $f | sha256sum; tail -c 32 $f | od -An -v -tx1 | tr -d ' \\n'; echo"
    )
    completed = cluster.execute(namespace, pod, ETCD_CONTAINER, ["/bin/bash", "-c", script], seconds=600)
    lines = completed.stdout.decode(errors="replace").splitlines()
    if not lines:
        return None
    if completed.exit_code or len(lines) < 5:
        return SnapshotFile(0, "", "", 0, 0, intact=False)
    status = json.loads(lines[0])
    return SnapshotFile(
        size=int(lines[1]),
        sha256=lines[2].split()[0],
        hash=f"{int(status['hash']):x}",
        revision=int(status["revision"]),
        total_keys=int(status["totalKey"]),
        intact=lines[3].split()[0] == lines[4].strip(),
    )


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    remembered = memory.mapping("fence") or {}
    pod = etcd.truth(ports.source, case)
    manifest_key = f"{case.key_prefix}/{MANIFEST}"
    facts = Facts(
        namespace=case.control_plane_namespace,
        bucket=ports.bucket.name,
        key=case.snapshot_key,
        manifest_key=manifest_key,
        fence=look_at(ports.source, case, memory),
        fence_id=remembered.get("id"),
        fence_revision=remembered.get("revision"),
        pod=pod,
        file=None,
        stored=ports.bucket.head(case.snapshot_key),
        manifest=read_manifest(ports.archive),
        stored_manifest=ports.bucket.head(manifest_key),
        void=tuple(str(breach.get("fence")) for breach in memory.values.get(BREACHES) or ()),
    )
    if pod is None or facts.fence_id is None:
        return facts
    return replace(facts, file=read_file(ports.source, facts.namespace, pod, facts.path))


def _doubt(facts: Facts) -> HcpDrError | None:
    breach = facts.fence.breach()
    if breach or facts.fence_id is None:
        return FenceBroken(
            what=f"The fence does not hold ({breach or 'it was never made'}): a snapshot would not be the whole truth.",
            todo="Find out who lifted it, then run `hcp-dr resume`: the source is fenced anew.",
        )
    if facts.file and not facts.file.intact:
        return SnapshotDoubtful(
            what=f"The snapshot {facts.path} in pod {facts.namespace}/{facts.pod} is damaged: its checksum is wrong.",
            left="It was not uploaded; the control plane stays fenced.",
            todo="Look at the volume's free space, delete the file in the pod, then run `hcp-dr resume`.",
        )
    if facts.file and facts.file.revision < (facts.fence_revision or 0):
        return SnapshotDoubtful(
            what=f"The snapshot {facts.path} in pod {facts.namespace}/{facts.pod} ends at revision "
            f"{facts.file.revision}, but etcd stood at {facts.fence_revision} when it was fenced: it lacks writes.",
            left="It was not uploaded; the control plane stays fenced.",
            todo="Look at etcd's members, delete the file in the pod, then run `hcp-dr resume`.",
        )
    stored = facts.stored
    if _thrown_away(facts):
        return None
    if facts.file and stored and (stored.size, stored.metadata.get("sha256")) != (facts.file.size, facts.file.sha256):
        return SnapshotDoubtful(
            what=f"The object {facts.key} in bucket {facts.bucket} is not the snapshot of this fence.",
            left="It was not overwritten.",
            todo="Find out who wrote it; start over with a new BACKUP_DIR, which has a key of its own.",
        )
    return None


def _thrown_away(facts: Facts) -> tuple[DeleteObject, ...]:
    """What this relocation stored under an earlier fence, by its metadata. The key must stay as it is: the URL that a
    HostedCluster restores from is immutable."""
    there = ((facts.key, facts.stored), (facts.manifest_key, facts.stored_manifest))
    void = {*facts.void} - {str(facts.fence_id)}
    return tuple(DeleteObject(key) for key, stored in there if stored and stored.metadata.get("fence") in void)


def plan(facts: Facts) -> Decision:
    doubt = _doubt(facts)
    if doubt is not None:
        return Refuse(doubt)
    void = _thrown_away(facts)
    if void:
        return Do(void)
    if facts.pod is None:
        return Wait("a Ready pod of etcd leads", "none does", 120)
    file, fence_id = facts.file, str(facts.fence_id)
    if file is None:
        return Do((SaveSnapshot("source", facts.namespace, facts.pod, facts.path),))
    if facts.stored is None:
        metadata = {"fence": fence_id, "sha256": file.sha256, "revision": str(file.revision)}
        return Do(
            (
                UploadSnapshot(
                    "source", facts.namespace, facts.pod, facts.path, facts.key, sha256=file.sha256, metadata=metadata
                ),
            )
        )
    if facts.manifest is None:
        return Refuse(SnapshotDoubtful(what="The backup folder has lost its manifest."))
    manifest = replace(facts.manifest, snapshot=_snapshot(facts, file))
    if facts.manifest.snapshot != manifest.snapshot:
        return Do((WriteFile(MANIFEST, manifest.to_text()),))
    if facts.stored_manifest is None:
        return Do((PutObject(facts.manifest_key, manifest.to_text().encode(), {"fence": fence_id}),))
    return Done(f"{file.size} bytes, revision {file.revision}, {file.total_keys} keys, sha256 {file.sha256[:12]}…")


def _snapshot(facts: Facts, file: SnapshotFile) -> Snapshot:
    return Snapshot(
        bucket=facts.bucket,
        key=facts.key,
        size=file.size,
        sha256=file.sha256,
        hash=file.hash,
        revision=file.revision,
        total_keys=file.total_keys,
        fence=str(facts.fence_id),
    )


def foresee(facts: Facts) -> Facts:
    manifest = facts.manifest or Manifest({}, 0, None, ())
    fence_id = facts.fence_id or Later("<fence>")
    return replace(facts, fence=facts.fence.made(), fence_id=fence_id, manifest=manifest)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if _thrown_away(facts):
        return replace(facts, stored=None, stored_manifest=None)
    if facts.pod is None:
        return replace(facts, pod=Later("a pod of etcd"))
    revision = facts.fence_revision or 0
    file = facts.file or SnapshotFile(0, Later("sha256"), Later("hash"), revision, 0, intact=True)
    if facts.file is None:
        return replace(facts, file=file)
    stored = StoredObject(facts.key, file.size, {"sha256": file.sha256}, "")
    if facts.stored is None:
        return replace(facts, stored=stored)
    manifest = facts.manifest and replace(facts.manifest, snapshot=_snapshot(facts, file))
    if manifest != facts.manifest:
        return replace(facts, manifest=manifest)
    return replace(facts, stored_manifest=stored)


STEP = Step(
    name="backup.snapshot_etcd",
    documented="8.6.2-3",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
