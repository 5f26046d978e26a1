"""Is this the right cluster, and one cluster? Compares the nonce, the cluster ID, the uids of nodes and namespaces, and
samples of objects by uid and content with the identity remembered right before the fence. Also reads every etcd
member's list of members, in every pod, because separately restored members serve as separate clusters (rule C4).
EtcdSnapshotRestored=True would prove nothing: etcd-init does not touch a non-empty volume.

Every `verify` and `resume` checks the identity again. By then, or if the source served for a while after the identity
was remembered, users may have changed the content: the step then reports a warning and does not stop. The same applies
to a manual backup or restore: hcp-dr does not know how long such a cluster has been in service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Done, Refuse, Step, Verdict, Wait, WatchTarget
from hcp_dr.errors import NotProven
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.checks import bad_if
from hcp_dr.hypershift.deletion.protocol import NOT_TORN_DOWN
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.etcd.members import Member
from hcp_dr.hypershift.etcd.restorable import PART_RESTORED
from hcp_dr.hypershift.identity import proving_nonce, read_identity
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.state import BREACHES, IDENTITY, MANUAL_BACKUP, NONCE, HostedIdentity
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube.resources import POD
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import read_manifest
from hcp_dr.objects.reading import some

_REVISION = "snapshot_revision"
MAX_LOST_SHARE = 0.1
"""The share of samples that may be gone: controllers delete objects in the first minute of the API."""
MAX_CHANGED_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    nonce_wanted: str | None
    nonce: str | None
    before: HostedIdentity | None  # remembered
    now: HostedIdentity
    members_wanted: int  # replicas of the destination's StatefulSet
    members: tuple[Member, ...]
    snapshot_revision: int = 0  # of etcd in the snapshot; 0 if unknown
    strict: bool = True  # no client can have changed the content since the identity was remembered


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    before = memory.get(IDENTITY)
    served = any(breach.wrote for breach in memory.get(BREACHES) or ())
    by_hand = POINT_OF_NO_RETURN not in memory.done or memory.has(MANUAL_BACKUP)
    return Facts(
        namespace=case.control_plane_namespace,
        nonce_wanted=memory.get(NONCE),
        nonce=proving_nonce(ports.hosted, memory),
        before=before,
        now=read_identity(ports.hosted, before.samples if before else {}),
        members_wanted=etcd_members.replicas(ports.destination, case),
        members=etcd_members.members(ports.destination, case),
        snapshot_revision=_read_revision(ports),
        strict=STEP.name not in memory.done and not served and not by_hand and not is_lost(memory),
    )


def _read_revision(ports: Ports) -> int:
    """Of the snapshot itself: the source's etcd may serve again after the point of no return, and is fenced again."""
    manifest = read_manifest(ports.archive)
    return manifest.snapshot.revision if manifest and manifest.snapshot else 0


def _find_lost(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name, uid in before.items() if now.get(name) != uid)


def checks(facts: Facts) -> tuple[Check, ...]:
    why = "only the content of the fenced etcd has the same value"
    before = facts.before
    if before is None or facts.nonce_wanted is None:
        return (Check("identity", "unknown", "no identity was remembered before the fence", why),)
    results = [
        Check("nonce", "ok" if facts.nonce == facts.nonce_wanted else "blocked", f"{facts.nonce}", why),
        Check(
            "cluster_id",
            "ok" if facts.now.cluster_id == before.cluster_id else "blocked",
            f"{facts.now.cluster_id or 'none'}, was {before.cluster_id or 'none'}",
            why,
        ),
    ]
    for name, old, new in (
        ("nodes", before.nodes, facts.now.nodes),
        ("namespaces", before.namespaces, facts.now.namespaces),
    ):
        lost = _find_lost(old, new)
        seen = f"{len(old)} with the same uid" if not lost else f"lost or other uid: {', '.join(lost)}"
        results.append(Check(name, _verdict(facts, lost=bool(lost)), seen, why))
    results += [_check_members(facts), _check_revision(facts)]
    seen = f"{facts.now.config_maps}, {before.config_maps} before the fence"
    fewer = facts.now.config_maps < before.config_maps * (1 - MAX_LOST_SHARE)  # users create and delete ConfigMaps
    results.append(Check("config_maps", "warning" if fewer else "ok", seen, why))
    return (*results, *_check_samples(before, facts))


def _verdict(facts: Facts, *, lost: bool) -> Verdict:
    if not lost:
        return "ok"
    return "blocked" if facts.strict else "warning"


def _check_samples(before: HostedIdentity, facts: Facts) -> tuple[Check, ...]:
    """For every sampled kind: do the objects exist, with the same uid and the same content?"""
    results = []
    for kind in before.counts:
        places = [place for place in before.samples if place.partition(" ")[0] == kind]
        now, then = facts.now.samples, before.samples
        lost = [place for place in places if place not in now or now[place].uid != then[place].uid]
        changed = [place for place in places if place not in lost and now[place].content != then[place].content]
        seen = (
            f"{len(places) - len(lost)} of {len(places)} samples with the same uid, {len(changed)} of them changed; "
            f"{facts.now.counts.get(kind, 0)} objects, {before.counts[kind]} before the fence"
        )
        if lost:
            seen += f"; lost or other uid: {some(lost)}"
        verdict = _verdict(
            facts, lost=len(lost) > len(places) / 2
        )  # users continue to write until the fence is complete
        too_many_lost = len(lost) > MAX_LOST_SHARE * len(places)
        too_many_changed = len(changed) > MAX_CHANGED_SHARE * len(places)
        if verdict == "ok" and (too_many_lost or too_many_changed):
            verdict = "warning"
        results.append(Check(f"samples.{kind}", verdict, seen, "counts are a hint, the same objects are a proof"))
    return tuple(results)


def _check_members(facts: Facts) -> Check:
    """Do all members list the same members, and the same cluster?"""
    names = tuple(sorted(member.pod for member in facts.members))
    separate = [member for member in facts.members if member.knows != names]
    clusters = {member.cluster_id for member in facts.members}
    lists = [
        f"{member.pod} knows {', '.join(name or 'a member that never started' for name in member.knows)}"
        for member in separate
    ]
    if separate or len(clusters) != 1:
        seen = "; ".join([f"{len(clusters)} clusters", *lists])
        return Check("etcd_members", "blocked", seen, "members of separate clusters accept different writes")
    return Check("etcd_members", "ok", f"{', '.join(names)} are one cluster")


def _check_revision(facts: Facts) -> Check:
    """A restore of the whole snapshot continues from its revision, or from a higher one."""
    now = min((member.revision for member in facts.members), default=0)
    seen = f"etcd is at revision {now}, and the snapshot at {facts.snapshot_revision or 'an unknown revision'}"
    lower = now < facts.snapshot_revision
    return bad_if(lower, _REVISION, seen, "part of the snapshot is missing", PART_RESTORED)


def plan(facts: Facts) -> Decision:
    if len(facts.members) < max(facts.members_wanted, 1):
        seen = f"{len(facts.members)} of {facts.members_wanted} answer"
        return Wait(
            "every member of etcd answers",
            seen,
            timeouts.ETCD_MEMBERS.seconds,
            WatchTarget("destination", POD, facts.namespace),
        )
    results = checks(facts)
    failed = [check for check in results if check.stops]
    if failed:
        part = f" {PART_RESTORED[:1].upper()}{PART_RESTORED[1:]}." if _REVISION in {x.name for x in failed} else ""
        return Refuse(
            NotProven(
                what=f"The answering cluster is not verified as this hosted cluster: "
                f"{'; '.join(f'{check.name} {check.seen}' for check in failed)}.",
                left=NOT_TORN_DOWN,
                todo=f"Do not delete anything. Compare the cluster with the backup.{part}",
            ),
            results,
        )
    return Done(f"cluster ID {facts.now.cluster_id}, {len(facts.now.nodes)} nodes, nonce read back", results)


STEP = Step(
    name=steps.VERIFY_IDENTITY,
    documented="-",
    observe=observe,
    plan=plan,
    waits=(timeouts.ETCD_MEMBERS,),
    checks="cluster ID, nodes, nonce, samples of Secrets and members of etcd are the same as before",
    proof=True,
)
