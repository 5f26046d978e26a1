"""Creates the HostedCluster on the destination, paused, with one URL of the verified snapshot. The operator builds the
HostedControlPlane completely from the HostedCluster (rule B3).

The URL is always new: an earlier restored cluster still has an old, expired URL (rule C7). The URL is tested right
before the creation, because the URL of an existing HostedCluster is immutable. The finalizer for uploaded OIDC
documents is kept, so that the operator does not generate new documents (rule E3).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

from hcp_dr.aws.port import StoredObject
from hcp_dr.aws.presigned import ends_at
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Create, Decision, Do, Done, Patch, Refuse, Step
from hcp_dr.errors import RESUME, FenceBroken, NotOurs, SnapshotDoubtful
from hcp_dr.hypershift import steps
from hcp_dr.hypershift.backup_objects import Restorable, is_ours, marked, to_restore
from hcp_dr.hypershift.bodies import hosted_cluster_body
from hcp_dr.hypershift.deletion.rollback import Governed, bring_operator_back, governed, remove_governed
from hcp_dr.hypershift.etcd import restorable, restore_url
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.etcd.restore_url import RestoreUrl
from hcp_dr.hypershift.etcd.stored import find_snapshot
from hcp_dr.hypershift.fence.state import Fence, read_fence
from hcp_dr.hypershift.operator_claim import at_zero
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.state import BREACHES, FENCE, RESTORE_URL_ENDS
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.hypershift.trial import NOT_TRIED, Trial, try_hosted_cluster
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import Case, Ports, Unknown
from hcp_dr.objects.archive import Snapshot, read_manifest
from hcp_dr.objects.difference import lacks
from hcp_dr.objects.moments import utc
from hcp_dr.objects.reading import dig, is_deleting, name_of, namespace_of
from hcp_dr.upstream import OIDC_FINALIZER


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    fence: Fence | None  # read before the HostedCluster exists, unless the source is lost
    fence_id: str | None
    started: bool  # remembered: un-paused on the destination, and served
    wanted: Restorable | None  # of the backup; not read after the start
    found: Object | None  # on the destination
    snapshot: Snapshot | None
    stored: StoredObject | None
    url: str  # presigned GET; a secret until its expiry
    tried: RestoreUrl | None  # read before the HostedCluster exists
    etcd: Etcd = restorable.NOT_LOOKED  # read before the HostedCluster exists
    expires: float | None = None  # of the URL in the HostedCluster, in seconds since the epoch
    trial: Trial = NOT_TRIED  # of the objects that follow; made before the HostedCluster exists, or its spec is carried
    lifted: bool = False  # remembered: the fence was lifted since the export, and the spec may have changed


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    manifest = read_manifest(ports.archive)
    snapshot = manifest.snapshot if manifest else None
    stored = find_snapshot(ports.bucket, snapshot) if snapshot else None
    found = ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    url = (
        ports.bucket.presign_get(stored.key if stored else snapshot.key, seconds=restore_url.URL_SECONDS)
        if snapshot
        else Unknown("presigned URL")
    )
    lost, fence = is_lost(memory), memory.get(FENCE)
    wanted = None if POINT_OF_NO_RETURN in memory.done else _read_wanted(ports, case)
    lifted = memory.has(BREACHES)
    return Facts(
        backup_id=case.backup_id,
        fence=read_fence(ports.source, case, memory) if wanted and found is None and not lost else None,
        fence_id=None if lost or fence is None else fence.id,
        started=POINT_OF_NO_RETURN in memory.done,
        wanted=wanted,
        found=found,
        snapshot=snapshot,
        stored=stored,
        url=url,
        tried=restore_url.tried(ports, url, fresh=True) if snapshot and wanted and found is None else None,
        etcd=restorable.known(wanted.body, ports.source, case, memory, lost=lost)
        if wanted and found is None
        else restorable.NOT_LOOKED,
        expires=_expiry(found),
        trial=try_hosted_cluster(ports, case) if wanted and (found is None or lifted) else NOT_TRIED,
        lifted=lifted,
    )


def _expiry(found: Object | None) -> float | None:
    urls = dig(found, "spec", "etcd", "managed", "storage", "restoreSnapshotURL") or ()
    return ends_at(str(urls[0])) if urls else None


def _read_wanted(ports: Ports, case: Case) -> Restorable:
    return next(item for item in to_restore(ports, case) if item.entry.kind == HOSTED_CLUSTER.kind)


def plan(facts: Facts) -> Decision:
    found = facts.found
    if found is not None:
        if is_deleting(found) or not is_ours(found, facts.backup_id):
            return Refuse(_refuse_foreign(found, deleting=is_deleting(found)))
        done = Done("the destination has the HostedCluster of this relocation", _check_expiry(facts.expires))
        if dig(found, "spec", "pausedUntil") is None:
            return done
        error = _check_snapshot(facts)
        if error:
            return Refuse(error)
        return _carry_changes(facts, found) or done
    if facts.started or facts.wanted is None:
        return Refuse(
            NotOurs(
                what="The HostedCluster was started on the destination, but does not exist any more.",
                left="hcp-dr did not create the HostedCluster again: the snapshot is older than the writes on the "
                "destination.",
                todo="Find out who deleted the HostedCluster before any other action.",
            )
        )
    refusal = facts.etcd.refusal
    if refusal is not None:
        return Refuse(refusal)
    refused = facts.trial.refusal(_describe_state(facts))
    if refused is not None:
        return Refuse(refused)
    breach = facts.fence.breach() if facts.fence else None
    if breach:
        return Refuse(FenceBroken(what=f"The fence on the source is broken ({breach}); the snapshot is void."))
    error = _check_snapshot(facts)
    if error is not None:
        return Refuse(error)
    body = hosted_cluster_body(facts.wanted, backup_id=facts.backup_id, url=facts.url)
    ends = ends_at(facts.url)
    expiry = () if ends is None else (RESTORE_URL_ENDS.remember(ends),)
    return Do((*expiry, Create("destination", HOSTED_CLUSTER, body)))


def _check_expiry(expires: float | None) -> tuple[Check, ...]:
    if expires is None:
        return ()
    seen = f"the URL in the HostedCluster reads all of etcd until {utc(expires)}, or until the snapshot is moved"
    return (Check("restore_url", "ok", seen),)


def _refuse_foreign(found: Object, *, deleting: bool) -> NotOurs:
    name = f"{namespace_of(found)}/{name_of(found)}"
    if deleting:
        return NotOurs(
            what=f"HostedCluster {name} is being deleted on the destination.",
            todo="Find out who deletes the HostedCluster. Do not let the deletion finish: the deletion can terminate "
            "the running instances.",
        )
    return NotOurs(
        what=f"HostedCluster {name} on the destination was not created by this relocation.",
        left="The HostedCluster was not touched.",
        todo="Find the owner. Never delete the HostedCluster by hand: the deletion can terminate the running "
        "instances.",
    )


def _describe_state(facts: Facts) -> str:
    state = (
        "The HostedCluster stays paused on the destination"
        if facts.found is not None
        else "The HostedCluster was not created on the destination"
    )
    return f"{state}; the control plane stays fenced on the source." if facts.fence_id else f"{state}."


def _carry_changes(facts: Facts, found: Object) -> Decision | None:
    patch = _update_spec(facts, found)
    refused = facts.trial.refusal(_describe_state(facts)) if patch else None
    if refused is not None:
        return Refuse(refused)
    return Do((patch,)) if patch else None


def _update_spec(facts: Facts, found: Object) -> Patch | None:
    """Carries changes of the spec from the source that were made while the fence was lifted. The URL is immutable."""
    if not facts.lifted or facts.wanted is None:
        return None
    spec = copy.deepcopy({**facts.wanted.body["spec"], "pausedUntil": "true"})
    spec["etcd"]["managed"]["storage"].pop("restoreSnapshotURL", None)
    if not lacks(found["spec"], spec):
        return None
    return Patch("destination", HOSTED_CLUSTER, name_of(found), namespace_of(found), {"spec": spec})


def _check_snapshot(facts: Facts) -> SnapshotDoubtful | None:
    """The URL is immutable and contains a key: the object under this key must be the snapshot of the present fence."""
    snapshot, stored = facts.snapshot, facts.stored
    if snapshot is None or stored is None:
        return SnapshotDoubtful(what="There is no snapshot of this fence in the bucket.")
    present = (stored.size, stored.metadata.get("sha256"), stored.metadata.get("fence"))
    if present != (snapshot.size, snapshot.sha256, snapshot.fence):
        return SnapshotDoubtful(what=f"The object {snapshot.key} in the bucket is not the snapshot in the manifest.")
    if facts.fence_id is not None and snapshot.fence != facts.fence_id:
        return SnapshotDoubtful(
            what=f"The snapshot in the manifest belongs to fence {snapshot.fence}, but the source's fence is "
            f"{facts.fence_id}: writes in between would be lost.",
            todo="Run `hcp-dr abort`, and start over with a new BACKUP_DIR.",
        )
    fault = facts.tried.fault(snapshot.size) if facts.tried else None
    if fault:
        return SnapshotDoubtful(
            what=f"The snapshot {snapshot.key} cannot be fetched by a presigned URL: {fault}.",
            left=_describe_state(facts),
            todo=f"Check AWS_CREDS and the bucket's policy, then run {RESUME} to create another URL.",
        )
    return None


def foresee(facts: Facts) -> Facts:
    snapshot = facts.snapshot or Snapshot("", "", 0, "", "", 0, 0, "")
    return replace(
        facts,
        fence=facts.fence.made() if facts.fence else None,
        fence_id=None,
        snapshot=snapshot,
        stored=StoredObject(snapshot.key, snapshot.size, {"sha256": snapshot.sha256, "fence": snapshot.fence}, ""),
        tried=None,
    )


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, found=marked(facts.wanted.body, facts.backup_id) if facts.wanted else facts.found)


def look_back(ports: Ports, case: Case, memory: RunState) -> Governed:
    return governed(ports, case, memory, HOSTED_CLUSTER)


def revert(facts: Governed) -> Decision:
    next_round = remove_governed(facts, dangerous=(OIDC_FINALIZER,)) or bring_operator_back(facts)
    if next_round is not None:
        return next_round
    if facts.claim.stoppers:
        return Done("the destination has no HostedCluster of this relocation; another relocation starts the operator")
    before = facts.operator_before or {}
    changed = [item for item in facts.operator if before.get(item.name, item.replicas) != item.replicas]
    seen = ", ".join(
        f"Deployment {item.name} has {item.replicas} replicas, had {before[item.name]}" for item in changed
    )
    why = "another client has scaled the destination's HyperShift operator; hcp-dr did not restore the former replicas"
    if before and not any(before.values()) and not changed:
        return Done("the destination has no HostedCluster of this relocation", (at_zero(facts.claim),))
    checks = (Check("operator.destination", "warning", seen, why),) if changed else ()
    return Done("the destination has no HostedCluster of this relocation, and its operator is back", checks)


STEP = Step(
    name=steps.RESTORE_HOSTED_CLUSTER,
    documented="8.6.3-6",
    observe=observe,
    plan=plan,
    announced=True,
    foresee=foresee,
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
    proof=True,  # so that a resume creates it again after a removal because of an expired URL
)
