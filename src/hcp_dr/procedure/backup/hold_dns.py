"""Where `--dns handover` was said: holds the hosted cluster's names, so that they are never absent, and waits until
resolvers have forgotten their long life. The API serves meanwhile; that is why it comes before the pause.

Held are the records at the fixed names which the source's external-dns keeps for this control plane. What it keeps
besides is released behind the fence, as ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import ChangeRecords, Check, Decision, Do, Done, Refuse, Step, Wait
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import RESUME, NotOurs, Refused, resume_with
from hcp_dr.hypershift import scope, timeouts
from hcp_dr.hypershift.dns.external_dns import source_owner
from hcp_dr.hypershift.dns.handover import give_back, hold, names_held, not_as_before, remembered
from hcp_dr.hypershift.dns.records import fixed_names, kept_at, strangers_at
from hcp_dr.hypershift.dns.takeover import Image, list_records, owner_of, records_of
from hcp_dr.hypershift.state import DNS, DNS_HELD
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import HANDOVER, Case, Ports

_ELSE = (
    "Or go on as the documented procedure does, with names that are absent for a while: "
    + resume_with("--dns release")
    + "."
)


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    asked: bool  # remembered: what was said with --dns
    owner: str  # "" where nobody can say
    kept: tuple[Record, ...]  # that the owner keeps at the fixed names
    strangers: tuple[Record, ...]  # address records there that somebody else keeps, or nobody
    held: Image  # remembered
    back: tuple[RecordChange, ...]  # what gives back what is held
    now: float  # seconds since the epoch


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    asked, held = memory.get(DNS) == HANDOVER, memory.get(DNS_HELD)
    facts = Facts(case.backup_id, asked, "", (), (), held, (), ports.now())
    if not asked:
        return replace(facts, back=look_back(ports, case, memory).changes)
    records = ports.zone.records()
    hosted_cluster = ports.source.get(HOSTED_CLUSTER, case.name, case.namespace)
    names = fixed_names(hosted_cluster) | {case.api_hostname}
    owner = owner_of(held) or source_owner(ports, case, records)
    kept = kept_at(records, owner, case.control_plane_namespace, names)
    others = names - names_held(records, case.backup_id, held)
    return replace(facts, owner=owner, kept=kept, strangers=strangers_at(records, kept, others))


def plan(facts: Facts) -> Decision:
    if not facts.asked:
        if facts.back:
            return Do((ChangeRecords(facts.back),))
        return Done("the names are given up behind the fence")
    if facts.strangers:
        return Refuse(
            NotOurs(
                what="At the hosted cluster's names are records of which nothing says that the source kept them for "
                f"it: {list_records(facts.strangers)}.",
                left="What is held stays held, until `hcp-dr abort` gives it back; the hosted API serves."
                if facts.held
                else Untouched("No record was touched.", besides="The hosted API serves."),
                todo="Find out whose they are. The destination's external-dns writes none beside them. When they are "
                f"gone, run {RESUME}.",
            )
        )
    if facts.kept:
        changes = hold(facts.kept, facts.owner, facts.backup_id)
        memory = remembered(facts.owner, facts.kept, facts.held, facts.now)
        return Do((DNS_HELD.remember(memory), ChangeRecords(changes)))
    if not facts.held:
        return Refuse(
            Refused(
                what="The source's external-dns keeps no record of this hosted cluster: there is nothing to hand over.",
                left=Untouched("No record was touched.", besides="The hosted API serves."),
                todo=f"Look at the TXT records of its names, and at --txt-owner-id of external-dns there. {_ELSE}",
            )
        )
    addresses = [record for record in records_of(facts.held) if record.type != "TXT"]
    life = min(timeouts.DNS_CACHES.seconds, max((record.ttl or 0 for record in addresses), default=0))
    rest = (facts.held.at or 0.0) + life - facts.now
    if rest > 0:
        until = "resolvers have forgotten the records' long life"
        return Wait(until, f"{life:.0f} s, {rest:.0f} s of them still to come", timeouts.DNS_CACHES.seconds + 60)
    return Done(f"held: {', '.join(sorted({record.name for record in addresses}))}")


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if isinstance(decision, Wait):
        return replace(facts, now=facts.now + timeouts.DNS_CACHES.seconds)
    return replace(facts, back=(), kept=(), held=remembered(facts.owner, facts.kept, facts.held, facts.now))


@dataclass(frozen=True, slots=True)
class Back:
    """What gives back what is held. `differing` are claims, as they were, that are not in the zone like that."""

    changes: tuple[RecordChange, ...]
    differing: tuple[Record, ...] = ()


def look_back(ports: Ports, case: Case, memory: RunState) -> Back:
    if not memory.has(DNS_HELD):
        return Back(())
    held = scope.image(memory, DNS_HELD, scope.own(case, ports.source.find(HOSTED_CLUSTER, case.name, case.namespace)))
    known = {(record.name, record.type) for record in records_of(held)}
    records = tuple(each for each in ports.zone.records() if each.type != "TXT" or (each.name, each.type) in known)
    return Back(give_back(records, case.backup_id, held), not_as_before(records, held))


def revert(facts: Back) -> Decision:
    if facts.changes:
        return Do((ChangeRecords(facts.changes),))
    if not facts.differing:
        return Done("no name is held, and each claim is as it was before")
    seen = f"not as before they were held: {list_records(facts.differing)}"
    why = "the source's external-dns keeps a name only while a TXT record says that it is its own"
    todo = "compare them with dns_held in journal.jsonl; where one is gone and its address too, external-dns makes both"
    return Done(f"no name is held; {seen}", (Check("names", "warning", seen, why, todo),))


STEP = Step(
    name="backup.hold_dns",
    documented="-",
    observe=observe,
    plan=plan,
    waits=(timeouts.DNS_CACHES,),
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
)
