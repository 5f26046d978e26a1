"""Takes over the records of a lost source: deletes exactly the records at the hosted cluster's fixed names that belong
to the owner in the API's TXT record and to this control plane. The source's external-dns and Routes are unreachable.

Deleted records are remembered in full, for an undo.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.aws.port import Record
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Step
from hcp_dr.hypershift import scope
from hcp_dr.hypershift.backup_objects import to_restore
from hcp_dr.hypershift.dns.external_dns import orphans, read_external_dns
from hcp_dr.hypershift.dns.records import fixed_names, kept_at, owners_of, strangers_at
from hcp_dr.hypershift.dns.takeover import Image, at_its_places, owner_of, put_back, take
from hcp_dr.hypershift.state import DNS_IMAGE
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import Case, Ports


@dataclass(frozen=True, slots=True)
class Facts:
    owner: str  # "" if the API's record has no owner, or several
    remaining: tuple[Record, ...]  # records of the owner and of orphaned owners at the fixed names
    strangers: tuple[Record, ...]  # address records at the fixed names, of another owner or without an owner
    image: Image  # remembered: the deleted records
    current: tuple[Record, ...]  # the zone's present records at the names and types of the image


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    records, image = ports.zone.records(), memory.get(DNS_IMAGE)
    hosted_cluster = _read_hosted_cluster(ports, case)
    names = frozenset({case.api_hostname, *fixed_names(hosted_cluster)})
    claimed = owners_of(records, case.api_hostname) - {read_external_dns(ports.destination, "destination").owner}
    owner = owner_of(image) or (next(iter(claimed)) if len(claimed) == 1 else "")
    orphaned = orphans(ports, case, records, names, owner)
    remaining = kept_at(records, ({owner} - {""}) | orphaned, case.control_plane_namespace, names)
    return Facts(
        owner=owner or min(orphaned, default=""),
        remaining=remaining,
        strangers=strangers_at(records, remaining, names),
        image=image,
        current=at_its_places(records, image),
    )


def _read_hosted_cluster(ports: Ports, case: Case) -> Object:
    """From the backup."""
    [hosted_cluster] = [item.body for item in to_restore(ports, case) if item.entry.kind == HOSTED_CLUSTER.kind]
    return hosted_cluster


def look_back(ports: Ports, case: Case, memory: RunState) -> Facts:
    scope.image(memory, DNS_IMAGE, scope.own(case, _read_hosted_cluster(ports, case)))
    return observe(ports, case, memory)


def plan(facts: Facts) -> Decision:
    return take(facts.owner, facts.remaining, facts.strangers, facts.image)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, remaining=())


def revert(facts: Facts) -> Decision:
    return put_back(facts.owner, facts.image, facts.current)


STEP = Step(
    name="restore.take_over_dns",
    documented="-",
    observe=observe,
    plan=plan,
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
)
