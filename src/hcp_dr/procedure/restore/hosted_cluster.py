"""Creates the HostedCluster on the destination, paused, with the one URL of the verified snapshot. The
HostedControlPlane is left to the operator, which builds it wholly from this (rule B3).

The URL is always a new one: a cluster that was restored before still bears its old, expired one (rule C7). The
finalizer that says that the OIDC documents are uploaded is kept, so that they are not made anew (rule E3).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

from hcp_dr.aws.port import StoredObject
from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Create, Decision, Do, Done, Refuse, Step
from hcp_dr.errors import FenceBroken, NotOurs, SnapshotDoubtful
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import Case, Later, Ports
from hcp_dr.objects.archive import Snapshot, read_manifest
from hcp_dr.objects.reading import dig, is_deleting
from hcp_dr.objects.scrub import OIDC_FINALIZER
from hcp_dr.procedure.fencing import Fence, look_at
from hcp_dr.procedure.preflight.aws import URL_SECONDS
from hcp_dr.procedure.restoring import Restorable, is_ours, marked, to_restore

RESTORED = "hypershift.openshift.io/restored-from-backup"


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    fence: Fence
    wanted: Restorable
    found: Object | None
    snapshot: Snapshot | None
    stored: StoredObject | None
    url: str  # presigned GET; a secret while it lives
    fence_id: str | None  # remembered: of the fence that stands


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    manifest = read_manifest(ports.archive)
    snapshot = manifest.snapshot if manifest else None
    return Facts(
        backup_id=case.backup_id,
        fence=look_at(ports.source, case, memory),
        wanted=next(item for item in to_restore(ports, case) if item.entry.kind == HOSTED_CLUSTER.kind),
        found=ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace),
        snapshot=snapshot,
        stored=ports.bucket.head(snapshot.key) if snapshot else None,
        url=ports.bucket.presign_get(snapshot.key, seconds=URL_SECONDS) if snapshot else Later("presigned URL"),
        fence_id=(memory.mapping("fence") or {}).get("id"),
    )


def paused_body(item: Restorable, *, backup_id: str, url: str) -> Object:
    """The HostedCluster as it is created: paused, to be restored from this URL, marked as ours."""
    body = copy.deepcopy(marked(item.body, backup_id, **{RESTORED: "true"}))
    body["spec"]["pausedUntil"] = "true"
    body["spec"]["etcd"]["managed"]["storage"]["restoreSnapshotURL"] = [url]
    if OIDC_FINALIZER in item.entry.finalizers:
        body["metadata"]["finalizers"] = [OIDC_FINALIZER]
    return body


def plan(facts: Facts) -> Decision:
    found = facts.found
    if found is not None:
        if is_deleting(found) or not is_ours(found, facts.backup_id):
            return Refuse(
                NotOurs(
                    what="A HostedCluster of this name is on the destination that this relocation did not make.",
                    left="It was not touched.",
                    todo="Find out whose it is. Never delete it by hand: that can terminate the running instances.",
                )
            )
        doubt = _doubt(facts) if dig(found, "spec", "pausedUntil") is not None else None
        return Refuse(doubt) if doubt else Done("the HostedCluster is there, made by this relocation")
    breach = facts.fence.breach()
    if breach:
        return Refuse(FenceBroken(what=f"The fence on the source does not hold ({breach}); the snapshot is void."))
    doubt = _doubt(facts)
    if doubt:
        return Refuse(doubt)
    return Do(
        (Create("destination", HOSTED_CLUSTER, paused_body(facts.wanted, backup_id=facts.backup_id, url=facts.url)),)
    )


def _doubt(facts: Facts) -> SnapshotDoubtful | None:
    """The URL is immutable and names a key: what lies there must be the snapshot of the fence that stands."""
    snapshot, stored = facts.snapshot, facts.stored
    if snapshot is None or stored is None:
        return SnapshotDoubtful(what="There is no snapshot of this fence in the bucket.")
    if snapshot.fence != facts.fence_id:
        return SnapshotDoubtful(
            what="The snapshot is of a fence that was lifted since: it is void.",
            todo="Start over with `hcp-dr backup` or `hcp-dr relocate` and a new BACKUP_DIR.",
        )
    if (stored.size, stored.metadata.get("sha256")) != (snapshot.size, snapshot.sha256):
        return SnapshotDoubtful(what=f"The object {snapshot.key} is not the snapshot that the manifest names.")
    return None


def foresee(facts: Facts) -> Facts:
    snapshot = facts.snapshot or Snapshot("", "", 0, "", "", 0, 0, "")
    return replace(
        facts,
        fence=facts.fence.made(),
        snapshot=snapshot,
        stored=StoredObject(snapshot.key, snapshot.size, {"sha256": snapshot.sha256}, ""),
        fence_id=snapshot.fence,
    )


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, found=marked(facts.wanted.body, facts.backup_id))


STEP = Step(
    name="restore.hosted_cluster",
    documented="8.6.3-6",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
