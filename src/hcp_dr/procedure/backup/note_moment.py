"""For an online backup: remembers the cluster's identity by uids and samples, and the moment after which the snapshot
lacks writes; also the conditions for a restore of etcd, which are unreadable once the source is lost. The hosted
cluster stays in service."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Do, Done, Step, Wait
from hcp_dr.hypershift import timeouts
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.etcd import restorable
from hcp_dr.hypershift.identity import read_identity
from hcp_dr.hypershift.state import ETCD_RESTORE, IDENTITY, ONLINE, HostedIdentity, OnlineMoment, RestoreProbe
from hcp_dr.model import Case, Ports
from hcp_dr.objects.moments import utc


@dataclass(frozen=True, slots=True)
class Facts:
    proposed_id: str
    now: float  # seconds since the epoch, before the first read
    revision: int | None  # of etcd's authoritative member; None without an answer
    identity: HostedIdentity | None  # read if no moment is remembered
    remembered: OnlineMoment | None
    etcd: RestoreProbe | None = None  # conditions for a restore of etcd; read if no moment is remembered


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    now, remembered = ports.now(), memory.get(ONLINE)
    members = etcd_members.members(ports.source, case) if remembered is None else ()
    pod = members[0].pod if len(members) == 1 else etcd_members.leader(members)
    return Facts(
        proposed_id=f"{ONLINE.name}-{ports.fresh_id()}",
        now=now,
        revision=next((member.revision for member in members if member.pod == pod), None),
        identity=read_identity(ports.hosted) if remembered is None else None,
        remembered=remembered,
        etcd=restorable.probe_restore(ports.source, case)[1] if remembered is None else None,
    )


def plan(facts: Facts) -> Decision:
    if facts.remembered is not None:
        at, revision = utc(facts.remembered.at), facts.remembered.revision
        return Done(f"writes after {at}, revision {revision}, may be missing")
    if facts.revision is None or facts.identity is None:
        return Wait("etcd's leader answers", "no answer yet", timeouts.ETCD_ANSWERS.seconds)
    moment = OnlineMoment(facts.proposed_id, facts.now, facts.revision)
    probed = (ETCD_RESTORE.remember(facts.etcd),) if facts.etcd else ()
    return Do((IDENTITY.remember(facts.identity), *probed, ONLINE.remember(moment)))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.revision is None or facts.identity is None:
        return replace(facts, revision=0, identity=facts.identity or HostedIdentity("", {}, {}, 0))
    return replace(facts, remembered=OnlineMoment(facts.proposed_id, facts.now, facts.revision))


STEP = Step(
    name="backup.note_moment",
    documented="-",
    observe=observe,
    plan=plan,
    waits=(timeouts.ETCD_ANSWERS,),
    afterwards=afterwards,
)
