"""With `--dns handover`: takes ownership of the hosted cluster's records, so that the names are never absent, and waits
until resolvers have dropped cached records with the long TTL. The step comes before the pause, because the API serves
during the wait.

The step holds the records of the source's external-dns at the fixed names of this control plane. All other records are
released behind the fence, as without a handover.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import ChangeRecords, Check, Decision, Do, Done, Refuse, Step, Wait
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import RESUME, NotOurs, Refused, resume_with
from hcp_dr.hypershift import scope, timeouts
from hcp_dr.hypershift.dns.external_dns import orphans, source_owner
from hcp_dr.hypershift.dns.handover import give_back, hold, names_held, not_as_before, remembered
from hcp_dr.hypershift.dns.records import fixed_names, kept_at, strangers_at
from hcp_dr.hypershift.dns.takeover import Image, list_records, owner_of, owners_in, records_of
from hcp_dr.hypershift.state import DNS, DNS_HELD
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import HANDOVER, Case, Ports

_ALTERNATIVE = (
    "Or continue as in the documented procedure, in which the names are absent for a while: "
    + resume_with("--dns release")
    + "."
)


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    requested: bool  # remembered: the value of --dns is handover
    owner: str  # "" if unknown
    kept: tuple[Record, ...]  # records of the owner and of orphaned owners at the fixed names
    strangers: tuple[Record, ...]  # address records at the fixed names, of another owner or without an owner
    held: Image  # remembered
    restoration: tuple[RecordChange, ...]  # changes that return the held records to their owner
    now: float  # seconds since the epoch


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    requested, held = memory.get(DNS) == HANDOVER, memory.get(DNS_HELD)
    facts = Facts(case.backup_id, requested, "", (), (), held, (), ports.now())
    if not requested:
        return replace(facts, restoration=look_back(ports, case, memory).changes)
    records = ports.zone.records()
    hosted_cluster = ports.source.get(HOSTED_CLUSTER, case.name, case.namespace)
    names = fixed_names(hosted_cluster) | {case.api_hostname}
    owner = owner_of(held) or source_owner(ports, case, records)
    orphaned = orphans(ports, case, records, names, owner)
    owners = owners_in(held) | orphaned | ({owner} - {""})
    kept = kept_at(records, owners, case.control_plane_namespace, names)
    others = names - names_held(records, case.backup_id, held)
    owner = owner or min(orphaned, default="")
    return replace(facts, owner=owner, kept=kept, strangers=strangers_at(records, kept, others))


def plan(facts: Facts) -> Decision:
    if not facts.requested:
        if facts.restoration:
            return Do((ChangeRecords(facts.restoration),))
        return Done("DNS records will be released after fencing")
    if facts.strangers:
        return Refuse(
            NotOurs(
                what="The zone has records at the hosted cluster's names that do not belong to the source's "
                f"external-dns: {list_records(facts.strangers)}.",
                left="Held records stay held, until `hcp-dr abort` returns them; the hosted API serves."
                if facts.held
                else Untouched("No record was touched.", besides="The hosted API serves."),
                todo="Find the owner of these records: the destination's external-dns writes no records beside them. "
                f"When the records are gone, run {RESUME}.",
            )
        )
    if facts.kept:
        changes = hold(facts.kept, facts.backup_id)
        memory = remembered(facts.owner, facts.kept, facts.held, facts.now)
        return Do((DNS_HELD.remember(memory), ChangeRecords(changes)))
    if not facts.held:
        return Refuse(
            Refused(
                what="The source's external-dns owns no record of this hosted cluster: there is nothing to hand over.",
                left=Untouched("No record was touched.", besides="The hosted API serves."),
                todo="Compare the TXT records of the hosted cluster's names with --txt-owner-id of external-dns on the "
                f"source. {_ALTERNATIVE}",
            )
        )
    addresses = [record for record in records_of(facts.held) if record.type != "TXT"]
    ttl = min(timeouts.DNS_CACHES.seconds, max((record.ttl or 0 for record in addresses), default=0))
    remaining = (facts.held.at or 0.0) + ttl - facts.now
    if remaining > 0:
        until = "resolvers have dropped the records with the long TTL"
        seen = f"TTL {ttl:.0f} s, {remaining:.0f} s remaining"
        return Wait(until, seen, timeouts.DNS_CACHES.seconds + 60, rest=remaining)
    return Done(f"held: {', '.join(sorted({record.name for record in addresses}))}")


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if isinstance(decision, Wait):
        return replace(facts, now=facts.now + timeouts.DNS_CACHES.seconds)
    return replace(facts, restoration=(), kept=(), held=remembered(facts.owner, facts.kept, facts.held, facts.now))


@dataclass(frozen=True, slots=True)
class Back:
    """Changes that return the held records. `differing` are ownership records of before that the zone has changed or
    lost."""

    changes: tuple[RecordChange, ...]
    differing: tuple[Record, ...] = ()


def look_back(ports: Ports, case: Case, memory: RunState) -> Back:
    if not memory.has(DNS_HELD):
        return Back(())
    held = scope.image(memory, DNS_HELD, scope.own(case, ports.source.find(HOSTED_CLUSTER, case.name, case.namespace)))
    known = {record.place for record in records_of(held)}
    records = tuple(each for each in ports.zone.records() if each.type != "TXT" or each.place in known)
    return Back(give_back(records, case.backup_id, held), not_as_before(records, held))


def revert(facts: Back) -> Decision:
    if facts.changes:
        return Do((ChangeRecords(facts.changes),))
    if not facts.differing:
        return Done("no name is held, and every ownership record is as before")
    seen = f"different from before the handover: {list_records(facts.differing)}"
    why = "the source's external-dns maintains a name only while a TXT record has its owner ID"
    todo = "compare the records with dns_held in journal.jsonl; if a TXT record and its address record are both gone, "
    todo += "external-dns creates both"
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
