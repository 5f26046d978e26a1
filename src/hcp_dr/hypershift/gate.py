"""The gate right before the point of no return: all that must be true when the destination's HostedCluster is unpaused.

It is read after everything slow (the restore URL, the Leases, the journal and its mirror), by cheap requests only, and
the fence comes last. What the steps before have proven may be hours old by now: another client may have lifted the
fence, replaced the snapshot, stopped the destination's operator, or taken the names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.aws.port import Record, StoredObject
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Done, Refuse, Wait
from hcp_dr.errors import RESUME, FenceBroken, HcpDrError, MachineUnsafe, NotOurs, Refused, SnapshotDoubtful
from hcp_dr.hypershift import timeouts
from hcp_dr.hypershift.backup_objects import Lacking, is_ours, list_lacking
from hcp_dr.hypershift.dns.external_dns import read_external_dns
from hcp_dr.hypershift.dns.handover import names_held
from hcp_dr.hypershift.dns.records import fixed_names, kept_at, strangers_at
from hcp_dr.hypershift.dns.takeover import list_records
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.etcd import restorable
from hcp_dr.hypershift.etcd.encryption import key_in_spec
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.etcd.stored import find_snapshot
from hcp_dr.hypershift.fence.state import Fence, read_fence
from hcp_dr.hypershift.inventory import being_deleted
from hcp_dr.hypershift.operator_claim import read_claim
from hcp_dr.hypershift.private_platform import is_private, read_platform
from hcp_dr.hypershift.private_platform import refusal_of as platform_refusal
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.state import DNS_HELD, FENCE
from hcp_dr.hypershift.workloads import has_ready_pod
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import Snapshot, read_manifest
from hcp_dr.objects.reading import dig, is_deleting, some
from hcp_dr.upstream import EXTERNAL_DNS, OPERATOR, OPERATOR_NAMESPACE


@dataclass(frozen=True, slots=True)
class Facts:
    name: str  # of the HostedCluster, with its namespace
    backup_id: str
    bucket: str
    key: str  # of the snapshot
    hosted_cluster: Object | None  # on the destination
    deleting: tuple[str, ...]  # machine objects and NodePools of the destination
    awaited: Wait | None  # while other relocations have the destination's HyperShift operator stopped
    operator_ready: bool  # a pod of the destination's HyperShift operator is Ready
    publishes: bool  # the destination's external-dns has replicas
    lacking: tuple[Lacking, ...]  # of the backup, on the destination
    snapshot: Snapshot | None  # of the manifest, as it was verified
    stored: StoredObject | None  # in the bucket
    strangers: tuple[Record, ...]  # address records at the names that the destination's external-dns cannot replace
    fence: Fence | None  # None where the source is lost
    fenced_revision: int | None = None  # of the source's etcd when the fence was made
    revision: int | None = None  # now; None where etcd does not answer
    platform: str | None = None  # of the destination's operator; None without a private endpoint
    etcd: Etcd = restorable.NOT_LOOKED  # read while the destination's HostedCluster is paused

    @property
    def unpaused(self) -> bool:
        """Then the gate was passed before."""
        return self.hosted_cluster is not None and dig(self.hosted_cluster, "spec", "pausedUntil") is None


def look_through(ports: Ports, case: Case, memory: RunState) -> Decision:
    """Reads and decides."""
    return plan(observe(ports, case, memory))


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    destination, lost = ports.destination, is_lost(memory)
    manifest = read_manifest(ports.archive)
    snapshot = manifest.snapshot if manifest else None
    hosted_cluster = destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    external_dns = read_external_dns(destination, "destination")
    strangers = _strangers(ports, case, memory, hosted_cluster, external_dns.owner) if hosted_cluster else ()
    stored = find_snapshot(ports.bucket, snapshot) if snapshot else None
    fence = memory.get(FENCE)
    pod = None if lost else etcd_members.truth(ports.source, case)
    return Facts(
        name=f"{case.namespace}/{case.name}",
        backup_id=case.backup_id,
        bucket=ports.bucket.name,
        key=snapshot.key if snapshot else case.snapshot_key,
        hosted_cluster=hosted_cluster,
        deleting=being_deleted(destination, case),
        awaited=read_claim(ports, case, "destination").awaited(),
        operator_ready=has_ready_pod(destination, OPERATOR, OPERATOR_NAMESPACE),
        platform=read_platform(destination) if is_private(hosted_cluster) else None,
        publishes=external_dns.replicas > 0,
        lacking=list_lacking(ports, case) if hosted_cluster else (),
        snapshot=snapshot,
        stored=stored,
        strangers=strangers,
        fenced_revision=fence.revision if fence else None,
        revision=etcd_members.revision(ports.source, case, pod) if pod else None,
        etcd=_read_etcd(ports, case, memory, hosted_cluster) if hosted_cluster else restorable.NOT_LOOKED,
        fence=None if lost else read_fence(ports.source, case, memory),  # last: the shortest time before the act
    )


def _read_etcd(ports: Ports, case: Case, memory: RunState, hosted_cluster: Object) -> Etcd:
    """With the encryption key that the destination would use: it was carried, perhaps after another change."""
    etcd = restorable.known(hosted_cluster, ports.source, case, memory, lost=is_lost(memory))
    return replace(etcd, key=key_in_spec(ports.destination, hosted_cluster))


def _strangers(ports: Ports, case: Case, memory: RunState, hosted_cluster: Object, owner: str) -> tuple[Record, ...]:
    records = ports.zone.records()
    names = fixed_names(hosted_cluster) | {case.api_hostname}
    own = kept_at(records, {owner}, case.control_plane_namespace, names)
    return strangers_at(records, own, names - names_held(records, case.backup_id, memory.get(DNS_HELD)))


def plan(facts: Facts) -> Decision:
    if facts.unpaused:
        return Done("the destination's HostedCluster is unpaused already")
    if facts.awaited is not None:
        return facts.awaited
    if facts.lacking:  # the plan of the step has them restored again
        return Wait(
            "the destination has every object of the backup",
            incomplete(facts.lacking).what,
            timeouts.CONTROL_PLANE_SERVES.seconds,
        )
    error = _closed(facts)
    return Done("all that must be true is true", _checks(facts)) if error is None else Refuse(error)


def _closed(facts: Facts) -> HcpDrError | None:
    """Why the gate is closed, None where it is open."""
    left = f"HostedCluster {facts.name} stays paused on the destination, and the control plane stays fenced."
    found = facts.hosted_cluster
    if found is None or is_deleting(found) or not is_ours(found, facts.backup_id):
        return NotOurs(
            what=f"HostedCluster {facts.name} is gone from the destination, is being deleted, or was not made by this "
            "relocation.",
            left=left,
        )
    if facts.deleting:
        return MachineUnsafe(
            what=f"Being deleted on the destination: {', '.join(facts.deleting)}. Controllers that start now would "
            "finish the deletion and terminate instances.",
            left=left,
            todo=f"Find out who deletes them. Remove their finalizers, then run {RESUME}.",
        )
    if not facts.operator_ready:
        return Refused(
            what=f"No pod of Deployment {OPERATOR_NAMESPACE}/{OPERATOR} is Ready on the destination: nothing would "
            "start the control plane there, and the relocation could not be aborted any more.",
            left=left,
            todo=f"Bring the HyperShift operator of the destination up, then run {RESUME}; or run `hcp-dr abort`.",
        )
    if not facts.publishes:
        return Refused(
            what=f"Deployment {OPERATOR_NAMESPACE}/{EXTERNAL_DNS} on the destination has no replicas, or does not "
            "exist: the API would not be reachable by its name.",
            left=left,
            todo=f"Bring the external-dns of the destination up, then run {RESUME}; or run `hcp-dr abort`.",
        )
    refusal = platform_refusal(facts.platform, left)
    if refusal is not None:
        return refusal
    if facts.etcd.refusal is not None:
        return facts.etcd.refusal
    replaced = _replaced(facts)
    if replaced is not None:
        return SnapshotDoubtful(
            what=f"The snapshot {facts.key} in bucket {facts.bucket} is not the object that was verified: {replaced}.",
            left=left,
            todo="Find out who wrote to the bucket. Then run `hcp-dr abort`, and start over with a new BACKUP_DIR.",
        )
    if facts.strangers:
        return NotOurs(
            what="At the hosted cluster's names are records that the destination's external-dns cannot replace: "
            f"{list_records(facts.strangers)}. The API would not be reachable by its name.",
            left=left,
            todo=f"Find out whose records these are, and delete them if they may go; then run {RESUME}.",
        )
    return _unfenced(facts)


def incomplete(lacking: tuple[Lacking, ...]) -> NotOurs:
    return NotOurs(
        what=f"Missing or changed on the destination: {some([item.words for item in lacking])}. Another client deleted "
        "or changed them, and the hosted cluster needs them as they are in the backup.",
        left="The HostedCluster stays paused on the destination, and the control plane stays fenced.",
        todo=f"Run {RESUME}: it creates missing objects again.",
    )


def _replaced(facts: Facts) -> str | None:
    """In what the object in the bucket differs from the one that was verified."""
    known, stored = facts.snapshot, facts.stored
    if known is None:
        return "the manifest of the backup has no snapshot"
    if stored is None:
        return "it is gone"
    pairs = (
        ("size", known.size, stored.size),
        ("sha256", known.sha256, stored.metadata.get("sha256")),
        ("fence", known.fence, stored.metadata.get("fence")),
        ("ETag", known.etag, stored.etag if known.etag and stored.key == known.key else known.etag),
    )
    return next((f"its {what} is {now}, was {before}" for what, before, now in pairs if before != now), None)


def _unfenced(facts: Facts) -> FenceBroken | None:
    if facts.fence is None:
        return None
    breach = facts.fence.breach()
    behind = None not in (facts.revision, facts.fenced_revision) and facts.revision < facts.fenced_revision  # type: ignore[operator]
    if breach is None and behind:
        breach = f"its etcd is at revision {facts.revision}, and was at {facts.fenced_revision} when the fence was made"
    if breach is None:
        return None
    return FenceBroken(
        what=f"The fence on the source does not hold ({breach}): two control planes would accept writes.",
        todo=f"Stop the client that lifts it, then run {RESUME}: the source is fenced again, and a new snapshot is "
        "taken. After a restore in a phase of its own, run `hcp-dr abort` and start over with a new BACKUP_DIR.",
    )


def _checks(facts: Facts) -> tuple[Check, ...]:
    """etcd without any API server still removes keys whose lease ends: a higher revision is no write."""
    if facts.revision is None or facts.fenced_revision is None or facts.revision == facts.fenced_revision:
        return ()
    seen = f"the source's etcd is at revision {facts.revision}, and was at {facts.fenced_revision} at the fence"
    why = "keys with a lease expire in a fenced etcd; no API server of the source had a pod"
    return (Check("fenced_revision", "ok", seen, why),)
