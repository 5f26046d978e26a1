"""Is it this very cluster, and one? Nonce, cluster ID, the uids of its nodes and namespaces, and samples of what it
holds, by uid and content, against what was remembered right before the fence; and what each member of etcd says of the
others, asked in each pod, because members that were restored apart serve as clusters of their own (rule C4).
EtcdSnapshotRestored=True would prove nothing: etcd-init leaves a non-empty volume alone.

It is looked at again by each `verify` and `resume`. By then, or where the source served for a while after it was
remembered, people may have changed what is in it: that is told and stops nothing. So it is where the backup or the
restore was made by hand: it serves for longer than anybody here knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Done, Refuse, Step, Verdict, Wait, WatchTarget
from hcp_dr.errors import NotProven
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.deletion.protocol import NOT_TORN_DOWN
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.etcd.members import Member
from hcp_dr.hypershift.identity import nonce_of, read_identity
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.state import BREACHES, IDENTITY, MANUAL_BACKUP, NONCE, HostedIdentity
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube.resources import POD
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import some

MOST_LOST = 0.1
"""The share of samples that may be gone: controllers remove things in the minute in which the API is back."""
MOST_CHANGED = 0.25


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    nonce_wanted: str | None
    nonce: str | None
    before: HostedIdentity | None  # remembered
    now: HostedIdentity
    members_wanted: int  # as the destination's StatefulSet asks for
    members: tuple[Member, ...]
    strict: bool = True  # nobody can have changed anything since it was remembered


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    before = memory.get(IDENTITY)
    served = any(breach.wrote for breach in memory.get(BREACHES) or ())
    by_hand = POINT_OF_NO_RETURN not in memory.done or memory.has(MANUAL_BACKUP)
    return Facts(
        namespace=case.control_plane_namespace,
        nonce_wanted=memory.get(NONCE),
        nonce=nonce_of(ports.hosted),
        before=before,
        now=read_identity(ports.hosted, before.samples if before else {}),
        members_wanted=etcd_members.replicas(ports.destination, case),
        members=etcd_members.members(ports.destination, case),
        strict=STEP.name not in memory.done and not served and not by_hand and not is_lost(memory),
    )


def _missing(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name, uid in before.items() if now.get(name) != uid)


def checks(facts: Facts) -> tuple[Check, ...]:
    why = "only the very content of the fenced etcd has it"
    before = facts.before
    if before is None or facts.nonce_wanted is None:
        return (Check("identity", "unknown", "nothing was remembered before the fence", why),)
    found = [
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
        lost = _missing(old, new)
        seen = f"{len(old)} with the same uid" if not lost else f"lost or other uid: {', '.join(lost)}"
        found.append(Check(name, _verdict(facts, lost=bool(lost)), seen, why))
    found.append(_members(facts))
    seen = f"{facts.now.config_maps}, {before.config_maps} before the fence"
    fewer = facts.now.config_maps < before.config_maps * (1 - MOST_LOST)  # people go on deleting and making them
    found.append(Check("config_maps", "warning" if fewer else "ok", seen, why))
    return (*found, *_samples(before, facts))


def _verdict(facts: Facts, *, lost: bool) -> Verdict:
    if not lost:
        return "ok"
    return "blocked" if facts.strict else "warning"


def _samples(before: HostedIdentity, facts: Facts) -> tuple[Check, ...]:
    """Of each kind that was sampled: are they there, the same objects, and do they say the same?"""
    found = []
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
        verdict = _verdict(facts, lost=len(lost) > len(places) / 2)  # people go on while the fence is made
        if verdict == "ok" and (len(lost) > MOST_LOST * len(places) or len(changed) > MOST_CHANGED * len(places)):
            verdict = "warning"
        found.append(Check(f"samples.{kind}", verdict, seen, "counts are a hint, the same objects are a proof"))
    return tuple(found)


def _members(facts: Facts) -> Check:
    """Do all name each other, and one cluster?"""
    names = tuple(sorted(member.pod for member in facts.members))
    alone = [member for member in facts.members if member.knows != names]
    clusters = {member.cluster_id for member in facts.members}
    odd = [
        f"{member.pod} knows {', '.join(name or 'one that never started' for name in member.knows)}" for member in alone
    ]
    if alone or len(clusters) != 1:
        seen = "; ".join([f"{len(clusters)} clusters", *odd])
        return Check("etcd_members", "blocked", seen, "members that are clusters of their own take different writes")
    return Check("etcd_members", "ok", f"{', '.join(names)} are one cluster")


def plan(facts: Facts) -> Decision:
    if len(facts.members) < max(facts.members_wanted, 1):
        seen = f"{len(facts.members)} of {facts.members_wanted} answer"
        return Wait(
            "every member of etcd answers",
            seen,
            timeouts.ETCD_MEMBERS.seconds,
            WatchTarget("destination", POD, facts.namespace),
        )
    found = checks(facts)
    stopping = [check for check in found if check.stops]
    if stopping:
        return Refuse(
            NotProven(
                what=f"The cluster that answers is not proven to be this one: "
                f"{'; '.join(f'{check.name} {check.seen}' for check in stopping)}.",
                left=NOT_TORN_DOWN,
                todo="Do not delete anything. Compare the cluster with the backup.",
            ),
            found,
        )
    return Done(f"cluster ID {facts.now.cluster_id}, {len(facts.now.nodes)} nodes, nonce read back", found)


STEP = Step(
    name=steps.VERIFY_IDENTITY,
    documented="-",
    observe=observe,
    plan=plan,
    waits=(timeouts.ETCD_MEMBERS,),
    checks="cluster ID, nodes, nonce, samples of Secrets and members of etcd are those of before",
    proof=True,
)
