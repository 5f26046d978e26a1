"""Is it this very cluster, and one? Nonce, cluster ID, and the uids of its nodes and namespaces, against what was
remembered right before the fence; and what each member of etcd says of the others, asked in each pod, because members
that were restored apart serve as clusters of their own (rule C4). EtcdSnapshotRestored=True would prove nothing:
etcd-init leaves a non-empty volume alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Check, Decision, Done, Refuse, Step, Topic, Wait
from hcp_dr.errors import NotProven
from hcp_dr.kube.resources import POD
from hcp_dr.model import Case, Ports
from hcp_dr.procedure import etcd
from hcp_dr.procedure.etcd import Member
from hcp_dr.procedure.identity import Identity, look_at, nonce_of

MEMBERS_LIMIT = 300.0
"""Seconds for every etcd pod to be Ready and to answer."""


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    nonce_wanted: str | None
    nonce: str | None
    before: Identity | None  # remembered
    now: Identity
    members_wanted: int  # as the destination's StatefulSet asks for
    members: tuple[Member, ...]


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    before = memory.mapping("identity")
    return Facts(
        namespace=case.control_plane_namespace,
        nonce_wanted=memory.text("nonce"),
        nonce=nonce_of(ports.hosted),
        before=Identity.from_json(before) if before else None,
        now=look_at(ports.hosted),
        members_wanted=etcd.replicas(ports.destination, case),
        members=etcd.members(ports.destination, case),
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
        found.append(Check(name, "blocked" if lost else "ok", seen, why))
    found.append(_members(facts))
    seen = f"{facts.now.config_maps}, {before.config_maps} before the fence"
    found.append(Check("config_maps", "ok" if facts.now.config_maps >= before.config_maps else "warning", seen, why))
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
        return Wait("every member of etcd answers", seen, MEMBERS_LIMIT, Topic("destination", POD, facts.namespace))
    found = checks(facts)
    stopping = [check for check in found if check.stops]
    if stopping:
        return Refuse(
            NotProven(
                what=f"The cluster that answers is not proven to be this one: "
                f"{'; '.join(f'{check.name} {check.seen}' for check in stopping)}.",
                left="Nothing on the source was deleted; its control plane stays fenced.",
                todo="Do not delete anything. Compare the cluster with the backup.",
            ),
            found,
        )
    return Done(f"cluster ID {facts.now.cluster_id}, {len(facts.now.nodes)} nodes, nonce read back", found)


def foresee(facts: Facts) -> Facts:
    member = Member("etcd-0", "cluster", "member", "member", 0, ("etcd-0",))
    return replace(facts, nonce_wanted="nonce", nonce="nonce", before=facts.now, members_wanted=1, members=(member,))


STEP = Step(name="verify.identity", documented="-", observe=observe, plan=plan, foresee=foresee)
