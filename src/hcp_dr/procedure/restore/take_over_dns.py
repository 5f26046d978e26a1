"""Takes the records of a lost source: exactly those at the hosted cluster's fixed names that were kept for its control
plane by the owner whom the API's own record names. The source's external-dns and its Routes cannot be asked.

What is deleted is remembered whole, to be put back by an undo.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.aws.port import Record
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Step
from hcp_dr.hypershift import scope
from hcp_dr.hypershift.backup_objects import to_restore
from hcp_dr.hypershift.dns.external_dns import read_external_dns
from hcp_dr.hypershift.dns.records import fixed_names, kept_at, owners_of, strangers_at
from hcp_dr.hypershift.dns.takeover import Image, at_its_places, owner_of, put_back, take
from hcp_dr.hypershift.state import DNS_IMAGE
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import Case, Ports


@dataclass(frozen=True, slots=True)
class Facts:
    owner: str  # "" where the API's record names none, or several
    left: tuple[Record, ...]  # that the owner keeps at the fixed names
    strangers: tuple[Record, ...]  # address records there that somebody else keeps, or nobody
    image: Image  # remembered: what was taken
    again: tuple[Record, ...]  # what the zone has now at the names and types of the image


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    records, image = ports.zone.records(), memory.get(DNS_IMAGE)
    hosted_cluster = _of_backup(ports, case)
    names = frozenset({case.api_hostname, *fixed_names(hosted_cluster)})
    claimed = owners_of(records, case.api_hostname) - {read_external_dns(ports.destination, "destination").owner}
    owner = owner_of(image) or (next(iter(claimed)) if len(claimed) == 1 else "")
    left = kept_at(records, owner, case.control_plane_namespace, names)
    return Facts(
        owner=owner,
        left=left,
        strangers=strangers_at(records, left, names),
        image=image,
        again=at_its_places(records, image),
    )


def _of_backup(ports: Ports, case: Case) -> Object:
    [found] = [item.body for item in to_restore(ports, case) if item.entry.kind == HOSTED_CLUSTER.kind]
    return found


def look_back(ports: Ports, case: Case, memory: RunState) -> Facts:
    scope.image(memory, DNS_IMAGE, scope.own(case, _of_backup(ports, case)))
    return observe(ports, case, memory)


def plan(facts: Facts) -> Decision:
    return take(facts.owner, facts.left, facts.strangers, facts.image)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, left=())


def revert(facts: Facts) -> Decision:
    return put_back(facts.owner, facts.image, facts.again)


STEP = Step(
    name="restore.take_over_dns",
    documented="-",
    observe=observe,
    plan=plan,
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
)
