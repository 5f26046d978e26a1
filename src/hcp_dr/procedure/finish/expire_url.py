"""Makes the restore URL worthless. Any client with the URL can read all of etcd, and the URL stays readable in an
immutable field of the HostedCluster. So the snapshot is moved to another key of the backup: copied, compared, and only
then deleted under the key of the URL.

etcd-init fetches the snapshot until etcd has its second roll: from then on the control plane operator has the condition
EtcdSnapshotRestored, and etcd has no etcd-init, not even on an empty volume. After an abort the HostedCluster with the
URL is gone. A URL that has expired needs no move.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.aws.port import StoredObject
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Action, Check, CopyObject, Decision, DeleteObject, Do, Done, Step
from hcp_dr.engine.transfer import AbortUpload
from hcp_dr.hypershift import scope
from hcp_dr.hypershift.etcd.stored import list_keys, with_content
from hcp_dr.hypershift.state import RESTORE_URL_ENDS, SNAPSHOT_MOVED
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN, RESTORE_HOSTED_CLUSTER
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import Snapshot, read_manifest
from hcp_dr.objects.moments import utc
from hcp_dr.objects.naming import moved_snapshot_key, number_of_snapshot

CLOCK_SKEW = 900
"""Seconds: S3 accepts no larger difference of the clocks."""


@dataclass(frozen=True, slots=True)
class Facts:
    created: bool  # a HostedCluster with a restore URL was created
    needed: bool  # etcd-init may still fetch the snapshot
    now: float
    ends: float | None  # remembered: expiry of the URL in seconds since the epoch; None for one of an older version
    snapshot: Snapshot | None
    objects: tuple[StoredObject, ...] = ()  # with the content of the snapshot
    moved: str | None = None  # remembered: the other key
    key: str = ""  # of the upload
    next_key: str = ""  # the other key, if none is remembered
    unfinished: tuple[str, ...] = ()  # copies in parts to the other key

    @property
    def expired(self) -> bool:
        return self.ends is not None and self.now > self.ends + CLOCK_SKEW


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    manifest = read_manifest(ports.archive)
    facts = Facts(
        created=RESTORE_HOSTED_CLUSTER in memory.acted,
        needed=POINT_OF_NO_RETURN not in memory.done and RESTORE_HOSTED_CLUSTER not in memory.undone,
        now=ports.now(),
        ends=memory.get(RESTORE_URL_ENDS),
        snapshot=manifest.snapshot if manifest else None,
        moved=scope.moved_snapshot(memory, case),
        key=case.snapshot_key,
        next_key=moved_snapshot_key(case.key_prefix, 1),
    )
    if not facts.created or facts.needed or facts.expired or facts.snapshot is None:
        return facts
    keys = list_keys(ports.bucket, facts.snapshot)
    number = max((number_of_snapshot(key) or 0 for key in keys), default=0) + 1
    return replace(
        facts,
        objects=with_content(ports.bucket, keys, facts.snapshot),
        next_key=moved_snapshot_key(case.key_prefix, number),
        unfinished=ports.bucket.unfinished(facts.moved) if facts.moved else (),
    )


def plan(facts: Facts) -> Decision:
    if not facts.created:
        return Done("no restore URL was created")
    if facts.needed:
        return Done("etcd may still fetch the snapshot by its restore URL")
    if facts.expired:
        return Done(f"the restore URL expired at {utc(facts.ends or 0)}")
    if facts.snapshot is None:
        return Done("the backup folder names no snapshot to move", (_check_alive(facts.ends),))
    if not facts.objects:
        return Done("the restore URL opens nothing: the snapshot is not in the bucket", (_check_lost(facts.snapshot),))
    if facts.moved is None:
        return Do((SNAPSHOT_MOVED.remember(facts.next_key),))
    copies = [item for item in facts.objects if item.key == facts.moved]
    others = [item for item in facts.objects if item.key != facts.moved]
    if copies and others:
        return Do(tuple(DeleteObject(item.key) for item in others))
    if copies:
        return Done(f"the restore URL opens nothing: the snapshot is {facts.moved} now")
    if facts.unfinished:
        return Do(tuple(AbortUpload(facts.moved, upload_id) for upload_id in facts.unfinished))
    return Do((_copy(others[0], facts.moved),))


def _copy(stored: StoredObject, key: str) -> Action:
    return CopyObject(stored.key, key, stored.metadata, stored.etag)


def _check_alive(ends: float | None) -> Check:
    until = f"until {utc(ends)}" if ends is not None else "for up to a day"
    seen = f"the restore URL reads all of etcd {until}"
    return Check("restore_url", "warning", seen, "any reader of the HostedCluster or of an audit log may have it")


def _check_lost(snapshot: Snapshot) -> Check:
    seen = f"the bucket has no object that is the snapshot {snapshot.key}"
    return Check("snapshot", "warning", seen, "the backup cannot be restored any more", "make a new backup")


def foresee(facts: Facts) -> Facts:
    if facts.created and not facts.needed:
        return facts
    snapshot = facts.snapshot or Snapshot("", facts.key, 0, "", "", 0, 0, "")
    stored = StoredObject(snapshot.key, snapshot.size, {"sha256": snapshot.sha256, "fence": snapshot.fence}, "")
    return replace(facts, created=True, needed=False, ends=None, snapshot=snapshot, objects=facts.objects or (stored,))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.moved is None:
        return replace(facts, moved=facts.next_key)
    copies = tuple(item for item in facts.objects if item.key == facts.moved)
    if copies:
        return replace(facts, objects=copies)
    if facts.unfinished:
        return replace(facts, unfinished=())
    return replace(facts, objects=(*facts.objects, replace(facts.objects[0], key=facts.moved)))


STEP = Step(
    name="finish.expire_url",
    documented="-",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
    fallback="Everything else is done: the restore URL expires by itself, and the step needs no copy then.",
    proof=True,  # a later phase completes the move that an earlier phase could not complete
)

AFTER_ABORT = replace(STEP, foresee=lambda facts: foresee(facts) if facts.created else facts)
"""The abort has removed the HostedCluster, if there was one."""
