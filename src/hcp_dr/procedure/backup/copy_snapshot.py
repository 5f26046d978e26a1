"""Where it is asked for, the snapshot is also put under the documented key, so that the documented commands find it.
The bytes do not come here: the bucket copies. Not before the names are released, because it may take minutes.

The key bears the hosted cluster's name alone. What is there and was not put there by hcp-dr for this very hosted
cluster may be another one's, or somebody's only snapshot: it is left. Nor may an older copy stay where the new one
cannot be: whoever restores by hand would take it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.aws.port import MAX_PART_BYTES, StoredObject
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, CopyObject, Decision, DeleteObject, Do, Done, Refuse, Step
from hcp_dr.errors import RESUME, NotOurs, SnapshotDoubtful
from hcp_dr.hypershift.manual_backup.snapshot import OWNER, documented_key
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import Snapshot, read_manifest


@dataclass(frozen=True, slots=True)
class Facts:
    asked: bool
    owner: str
    key: str
    snapshot: Snapshot | None
    stored: StoredObject | None  # the snapshot, under its own key
    there: StoredObject | None  # what is under the documented key


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    key = documented_key(case.name)
    owner = f"{case.namespace}/{case.name}"
    if not case.documented_key:
        return Facts(asked=False, owner=owner, key=key, snapshot=None, stored=None, there=None)
    manifest = read_manifest(ports.archive)
    snapshot = manifest.snapshot if manifest else None
    return Facts(
        asked=True,
        owner=owner,
        key=key,
        snapshot=snapshot,
        stored=ports.bucket.head(snapshot.key) if snapshot else None,
        there=ports.bucket.head(key),
    )


def plan(facts: Facts) -> Decision:
    if not facts.asked:
        return Done("the documented key was not asked for")
    snapshot, stored, there = facts.snapshot, facts.stored, facts.there
    if snapshot is None or stored is None or stored.metadata.get("sha256") != snapshot.sha256:
        return Refuse(SnapshotDoubtful(what="The snapshot that the manifest names is not in the bucket."))
    if there is not None and there.metadata.get(OWNER) != facts.owner:
        return Refuse(
            NotOurs(
                what=f"The object {facts.key} in the bucket was not written by hcp-dr for {facts.owner}.",
                left="It was not overwritten. The backup itself is whole, under its own key.",
                todo=f"Look whose it is, move it to another key, then run {RESUME}.",
            )
        )
    if stored.size > MAX_PART_BYTES:
        return Do((DeleteObject(facts.key),)) if there is not None else _too_large(facts.key, stored)
    if there is not None and there.metadata.get("sha256") == snapshot.sha256:
        return Done(f"the snapshot is under {facts.key} too")
    metadata = {
        "fence": snapshot.fence,
        "sha256": snapshot.sha256,
        "revision": str(snapshot.revision),
        OWNER: facts.owner,
    }
    return Do((CopyObject(snapshot.key, facts.key, metadata, stored.etag),))


def _too_large(key: str, stored: StoredObject) -> Done:
    check = Check(
        "documented_key",
        "warning",
        f"{stored.key} has {stored.size} bytes, and S3 copies at most {MAX_PART_BYTES} in one go",
        "the documented commands look for the snapshot there",
        f"presign {stored.key} when restoring by hand",
    )
    return Done(f"not copied to {key}", (check,))


def foresee(facts: Facts) -> Facts:
    if not facts.asked or facts.snapshot is not None:
        return facts
    snapshot = Snapshot("", "the snapshot", 0, "", "", 0, 0, "")
    return replace(facts, snapshot=snapshot, stored=StoredObject(snapshot.key, 0, {"sha256": ""}, ""))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if isinstance(decision, Do) and isinstance(decision.actions[0], DeleteObject):
        return replace(facts, there=None)
    sha256 = facts.snapshot.sha256 if facts.snapshot else ""
    return replace(facts, there=StoredObject(facts.key, 0, {OWNER: facts.owner, "sha256": sha256}, ""))


STEP = Step(
    name="backup.copy_snapshot",
    documented="8.6.2-3",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
