"""On request (--documented-key), copies the snapshot to the documented key, so that the documented commands find the
snapshot. S3 copies the bytes inside the bucket. The copy comes after the release of the names, because a copy may take
minutes.

The key consists of the hosted cluster's name alone. An existing object that hcp-dr did not write for this very hosted
cluster may belong to another hosted cluster, or be the only snapshot of an engineer: such an object stays. An older
copy is deleted if the new snapshot cannot be copied: an engineer who restores by hand would use the older copy."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.aws.port import MAX_PART_BYTES, StoredObject
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, CopyObject, Decision, DeleteObject, Do, Done, Refuse, Step
from hcp_dr.errors import RESUME, NotOurs, SnapshotDoubtful
from hcp_dr.hypershift.etcd.stored import find_snapshot
from hcp_dr.hypershift.manual_backup.snapshot import OWNER, documented_key
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import Snapshot, read_manifest


@dataclass(frozen=True, slots=True)
class Facts:
    requested: bool
    owner: str
    key: str  # the documented key
    snapshot: Snapshot | None
    stored: StoredObject | None  # the snapshot, under the key of the backup
    existing: StoredObject | None  # under the documented key


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    key = documented_key(case.name)
    owner = f"{case.namespace}/{case.name}"
    if not case.documented_key:
        return Facts(requested=False, owner=owner, key=key, snapshot=None, stored=None, existing=None)
    manifest = read_manifest(ports.archive)
    snapshot = manifest.snapshot if manifest else None
    return Facts(
        requested=True,
        owner=owner,
        key=key,
        snapshot=snapshot,
        stored=find_snapshot(ports.bucket, snapshot) if snapshot else None,
        existing=ports.bucket.head(key),
    )


def plan(facts: Facts) -> Decision:
    if not facts.requested:
        return Done("a copy under the documented key was not requested")
    snapshot, stored, existing = facts.snapshot, facts.stored, facts.existing
    if snapshot is None or stored is None or stored.metadata.get("sha256") != snapshot.sha256:
        return Refuse(SnapshotDoubtful(what="The snapshot in the manifest is not in the bucket."))
    if existing is not None and existing.metadata.get(OWNER) != facts.owner:
        return Refuse(
            NotOurs(
                what=f"The object {facts.key} in the bucket was not written by hcp-dr for {facts.owner}.",
                left="The object was not overwritten. The backup is complete, under another key.",
                todo=f"Find the owner, move the object to another key, then run {RESUME}.",
            )
        )
    if stored.size > MAX_PART_BYTES:
        return Do((DeleteObject(facts.key),)) if existing is not None else _describe_too_large(facts.key, stored)
    if existing is not None and existing.metadata.get("sha256") == snapshot.sha256:
        return Done(f"the snapshot is also stored as {facts.key}")
    metadata = {
        "fence": snapshot.fence,
        "sha256": snapshot.sha256,
        "revision": str(snapshot.revision),
        OWNER: facts.owner,
    }
    return Do((CopyObject(stored.key, facts.key, metadata, stored.etag),))


def _describe_too_large(key: str, stored: StoredObject) -> Done:
    check = Check(
        "documented_key",
        "warning",
        f"{stored.key} has {stored.size} bytes, and S3 copies at most {MAX_PART_BYTES} bytes in one request",
        f"the documented commands expect the snapshot as {key}",
        f"to restore by hand, presign {stored.key}",
    )
    return Done(f"not copied to {key}", (check,))


def foresee(facts: Facts) -> Facts:
    if not facts.requested or facts.snapshot is not None:
        return facts
    snapshot = Snapshot("", "the snapshot", 0, "", "", 0, 0, "")
    return replace(facts, snapshot=snapshot, stored=StoredObject(snapshot.key, 0, {"sha256": ""}, ""))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if isinstance(decision, Do) and isinstance(decision.actions[0], DeleteObject):
        return replace(facts, existing=None)
    sha256 = facts.snapshot.sha256 if facts.snapshot else ""
    return replace(facts, existing=StoredObject(facts.key, 0, {OWNER: facts.owner, "sha256": sha256}, ""))


STEP = Step(
    name="backup.copy_snapshot",
    documented="8.6.2-3",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
