"""Waits until the zone holds no record that the source's external-dns keeps for this hosted cluster. The documented
count of lines is wrong where a zone is shared; ownership by TXT is not."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Decision, Done, Refuse, Step, Wait
from hcp_dr.errors import Refused
from hcp_dr.model import Case, Later, Ports
from hcp_dr.procedure.preflight.external_dns import look_at
from hcp_dr.procedure.records import owned

LIMIT = 400.0
"""The documented 40 tries, 10 seconds apart."""


@dataclass(frozen=True, slots=True)
class Facts:
    owner: str  # "" where the source has no external-dns
    external_dns_ready: bool
    left: tuple[str, ...]  # type and name of each record that is still there


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    external_dns = look_at(ports.source, "source")
    records = owned(ports.zone.records(), external_dns.owner, case.control_plane_namespace)
    return Facts(
        owner=external_dns.owner,
        external_dns_ready=external_dns.ready > 0,
        left=tuple(f"{record.type} {record.name}" for record in records),
    )


def plan(facts: Facts) -> Decision:
    if not facts.owner:
        return Refuse(
            Refused(
                what="The source has no external-dns any more: nobody can say which records are this hosted cluster's.",
                left="The records are as they were; the hosted API stays away.",
                todo="Bring Deployment hypershift/external-dns back on the source, then run `hcp-dr resume`.",
            )
        )
    if not facts.left:
        return Done(f"owner {facts.owner} keeps no record of this hosted cluster any more")
    if not facts.external_dns_ready:
        return Refuse(
            Refused(
                what=f"The source's external-dns is not running: nobody removes {', '.join(facts.left)} from the zone.",
                left="The records are as they were; the hosted API stays away.",
                todo="Start Deployment hypershift/external-dns on the source, then run `hcp-dr resume`.",
            )
        )
    return Wait("the zone is free of this hosted cluster's records", f"still there: {', '.join(facts.left)}", LIMIT)


def foresee(facts: Facts) -> Facts:
    return replace(facts, owner=facts.owner or Later("owner"), left=())


STEP = Step(name="backup.release_dns", documented="8.6.2-6", observe=observe, plan=plan, foresee=foresee)
