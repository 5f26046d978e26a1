"""Frees the hosted cluster's names: waits until the source's external-dns has deleted its records for this hosted
cluster from the zone. With `--dns takeover`, when the source's external-dns is down, the step deletes exactly these
records in one atomic batch. Names held by `--dns handover` no longer belong to the source's external-dns. The
documented count of lines is wrong in a shared zone; ownership by TXT records is right.

A takeover comes after the deletion of the Routes and hostnames, so that a returning external-dns has no source for new
records. Deleted records are remembered in full, for an undo.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hcp_dr.aws.port import Record
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Done, Refuse, Step, Wait
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import RESUME, FenceBroken, Refused, resume_with
from hcp_dr.hypershift import scope, steps, timeouts
from hcp_dr.hypershift.dns.external_dns import orphans, read_external_dns, source_owner
from hcp_dr.hypershift.dns.handover import is_handed_over
from hcp_dr.hypershift.dns.records import Published, kept_at, names_in, owned, strangers_at
from hcp_dr.hypershift.dns.takeover import Image, at_its_places, left_alone, list_records, owner_of, put_back, take
from hcp_dr.hypershift.fence.state import Fence, read_fence
from hcp_dr.hypershift.state import DNS, DNS_HELD, DNS_IMAGE, ROUTES, SERVICE_HOSTNAMES
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, ROUTE, SERVICE
from hcp_dr.model import TAKEOVER, Case, Ports, Unknown
from hcp_dr.objects.reading import annotations_of, dig, is_deleting, name_of
from hcp_dr.upstream import HOSTNAME_ANNOTATION

_TAKEOVER = (
    "To have hcp-dr delete exactly these records, now that the source publishes no name: "
    f"{resume_with('--dns takeover')}."
)


@dataclass(frozen=True, slots=True)
class Facts:
    takeover: bool  # remembered: the value of --dns is takeover
    held: bool  # remembered: the fixed names are in handover to the destination's external-dns
    owner: str  # "" if unknown
    external_dns_ready: bool
    remaining: tuple[Record, ...]  # the owner's records for this hosted cluster; for a takeover, at its names only
    strangers: tuple[Record, ...]  # address records at these names, of another owner or without an owner
    published: tuple[str, ...]  # objects from which the source still creates records
    fence: Fence
    image: Image  # remembered: the deleted records
    current: tuple[Record, ...]  # the zone's present records at the names and types of the image
    orphaned: tuple[Record, ...] = ()  # records at these names of an owner that no external-dns has; without a takeover


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    records = ports.zone.records()
    image = memory.get(DNS_IMAGE)
    routes = ports.source.list(ROUTE, case.control_plane_namespace).items
    services = ports.source.list(SERVICE, case.control_plane_namespace).items
    services = tuple(item for item in services if HOSTNAME_ANNOTATION in annotations_of(item))
    published = _read_published(case, memory, routes, services)
    hostnames = frozenset({case.api_hostname}).union(*published.values())
    takeover = memory.get(DNS) == TAKEOVER
    held = memory.get(DNS_HELD) if is_handed_over(memory) else None
    owner = owner_of(held) or source_owner(ports, case, records) or owner_of(image)
    own, namespace = {owner} - {""}, case.control_plane_namespace
    orphaned = orphans(ports, case, records, hostnames, owner)
    remaining = owned(records, own | orphaned, namespace, published) if takeover else owned(records, own, namespace)
    return Facts(
        takeover=takeover,
        held=held is not None,
        owner=owner or min(orphaned, default="") if takeover else owner,
        external_dns_ready=read_external_dns(ports.source, "source").ready > 0,
        remaining=remaining,
        strangers=strangers_at(records, remaining, hostnames) if takeover else (),
        orphaned=() if takeover else kept_at(records, orphaned, namespace, hostnames),
        published=tuple(f"{item['kind']} {name_of(item)}" for item in (*routes, *services) if not is_deleting(item)),
        fence=read_fence(ports.source, case),
        image=image,
        current=at_its_places(records, image),
    )


def _read_published(case: Case, memory: RunState, routes: Iterable[Object], services: Iterable[Object]) -> Published:
    """The published names of the control plane: remembered names, and present names before `delete_routes`."""
    hosts = {name_of(route): str(dig(route, "spec", "host") or "") for route in routes}
    hosts |= {name: str(dig(route, "spec", "host") or "") for name, route in (memory.get(ROUTES) or {}).items()}
    annotated: dict[str, str] = {name_of(item): annotations_of(item)[HOSTNAME_ANNOTATION] for item in services}
    remembered = memory.get(SERVICE_HOSTNAMES)
    annotated |= remembered or {}
    by_kind = {"route": hosts, "service": annotated}
    return {
        f"{kind}/{case.control_plane_namespace}/{name}": names_in(str(text))
        for kind, texts in by_kind.items()
        for name, text in texts.items()
    }


def plan(facts: Facts) -> Decision:
    if facts.takeover:
        return _take_over(facts)
    if not facts.owner:
        return Refuse(
            Refused(
                what="The source has no external-dns any more: the owner of this hosted cluster's records is unknown.",
                left=Untouched("No record was touched.", besides="The hosted API stays unavailable."),
                todo=f"Restore Deployment hypershift/external-dns on the source, then run {RESUME}.",
            )
        )
    if facts.orphaned:
        return Refuse(
            Refused(
                what="No external-dns of either management cluster has the owner ID of these records, and none deletes "
                f"them: {list_records(facts.orphaned)}.",
                left="The records were not touched; the hosted API stays unavailable.",
                todo=_TAKEOVER,
            )
        )
    if not facts.remaining:
        held = ": hcp-dr holds the names" if facts.held else ""
        return Done(f"owner {facts.owner} has no record of this hosted cluster any more{held}")
    if not facts.external_dns_ready:
        return Refuse(
            Refused(
                what="The source's external-dns is not running and does not delete these records from the zone: "
                f"{list_records(facts.remaining)}.",
                left="The records were not touched; the hosted API stays unavailable.",
                todo=f"Start Deployment hypershift/external-dns on the source, then run {RESUME}. {_TAKEOVER}",
            )
        )
    return Wait(
        until="the zone is free of this hosted cluster's records",
        seen=f"records in the zone: {list_records(facts.remaining)}",
        limit=timeouts.DNS_RELEASED.seconds,
        todo=f"Read the log of the source's external-dns, then run {RESUME} to wait again. {_TAKEOVER}",
    )


def _take_over(facts: Facts) -> Decision:
    breach = facts.fence.breach()
    if breach:
        return Refuse(
            FenceBroken(what=f"The fence on the source is broken ({breach}): the records would be created again.")
        )
    if facts.published:
        return Refuse(
            Refused(
                what=f"The source still publishes names, or again: {', '.join(facts.published)}. A returning "
                "external-dns would create the records again.",
                left=left_alone(facts.image),
                todo=f"Find out who creates these objects behind the fence; delete the objects, then run {RESUME}.",
            )
        )
    return take(facts.owner, facts.remaining, facts.strangers, facts.image)


def look_back(ports: Ports, case: Case, memory: RunState) -> Facts:
    if memory.get(DNS_IMAGE) is not None:
        filters = read_external_dns(ports.source, "source").domain_filters
        mine = scope.own(case, ports.source.find(HOSTED_CLUSTER, case.name, case.namespace), filters)
        scope.image(memory, DNS_IMAGE, mine, published=True)
    return observe(ports, case, memory)


def revert(facts: Facts) -> Decision:
    return put_back(facts.owner, facts.image, facts.current)


def foresee(facts: Facts) -> Facts:
    remaining = facts.remaining if facts.takeover else ()
    owner = facts.owner or Unknown("owner")
    return replace(facts, owner=owner, remaining=remaining, published=(), fence=facts.fence.made())


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, remaining=())


STEP = Step(
    name=steps.BACKUP_RELEASE_DNS,
    documented="8.6.2-6",
    observe=observe,
    plan=plan,
    waits=(timeouts.DNS_RELEASED,),
    foresee=foresee,
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
)
