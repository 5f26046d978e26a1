"""Frees the hosted cluster's names: waits until the zone holds no record that the source's external-dns keeps for it,
or, where that is dead and `--dns takeover` was said, deletes exactly those records in one atomic batch. Names that are
held (`--dns handover`) are not its any more. The documented count of lines is wrong where a zone is shared; ownership
by TXT is not.

A takeover comes after the Routes and hostnames are gone, so that an external-dns that comes back finds nothing to make
records from. What was deleted is remembered whole, to be put back by an undo.
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
from hcp_dr.hypershift.dns.external_dns import read_external_dns, source_owner
from hcp_dr.hypershift.dns.handover import is_handed_over
from hcp_dr.hypershift.dns.records import Published, names_in, owned, strangers_at
from hcp_dr.hypershift.dns.takeover import Image, at_its_places, left_alone, list_records, owner_of, put_back, take
from hcp_dr.hypershift.fence.state import Fence, read_fence
from hcp_dr.hypershift.state import DNS, DNS_HELD, DNS_IMAGE, ROUTES, SERVICE_HOSTNAMES
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, ROUTE, SERVICE
from hcp_dr.model import TAKEOVER, Case, Ports, Unknown
from hcp_dr.objects.reading import annotations_of, dig, is_deleting, name_of
from hcp_dr.upstream import HOSTNAME_ANNOTATION

_TAKE = (
    f"To have exactly these records deleted instead, now that nothing publishes them: {resume_with('--dns takeover')}."
)


@dataclass(frozen=True, slots=True)
class Facts:
    takeover: bool  # remembered: what was said with --dns
    held: bool  # remembered: the fixed names are on their way to the destination's external-dns
    owner: str  # "" where nobody can say any more
    external_dns_ready: bool
    left: tuple[Record, ...]  # that the owner keeps for this hosted cluster; for a takeover, at its names only
    strangers: tuple[Record, ...]  # address records at its names that somebody else keeps, or nobody
    published: tuple[str, ...]  # what the source still makes records from
    fence: Fence
    image: Image  # remembered: what was taken
    again: tuple[Record, ...]  # what the zone has now at the names and types of the image


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    records = ports.zone.records()
    image = memory.get(DNS_IMAGE)
    routes = ports.source.list(ROUTE, case.control_plane_namespace).items
    services = ports.source.list(SERVICE, case.control_plane_namespace).items
    services = tuple(item for item in services if HOSTNAME_ANNOTATION in annotations_of(item))
    published = _published(case, memory, routes, services)
    hostnames = frozenset({case.api_hostname}).union(*published.values())
    takeover = memory.get(DNS) == TAKEOVER
    held = memory.get(DNS_HELD) if is_handed_over(memory) else None
    owner = owner_of(held) or source_owner(ports, case, records) or owner_of(image)
    left = owned(records, owner, case.control_plane_namespace, published if takeover else None) if owner else ()
    return Facts(
        takeover=takeover,
        held=held is not None,
        owner=owner,
        external_dns_ready=read_external_dns(ports.source, "source").ready > 0,
        left=left,
        strangers=strangers_at(records, left, hostnames) if takeover else (),
        published=tuple(f"{item['kind']} {name_of(item)}" for item in (*routes, *services) if not is_deleting(item)),
        fence=read_fence(ports.source, case),
        image=image,
        again=at_its_places(records, image),
    )


def _published(case: Case, memory: RunState, routes: Iterable[Object], services: Iterable[Object]) -> Published:
    """What the control plane published, as it is remembered, and as it still is where nothing was taken away yet."""
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
                what="The source has no external-dns any more: nobody can say which records are this hosted cluster's.",
                left=Untouched("No record was touched.", besides="The hosted API stays away."),
                todo=f"Bring Deployment hypershift/external-dns back on the source, then run {RESUME}.",
            )
        )
    if not facts.left:
        held = ": its names are held" if facts.held else ""
        return Done(f"owner {facts.owner} keeps no record of this hosted cluster any more{held}")
    if not facts.external_dns_ready:
        return Refuse(
            Refused(
                what="The source's external-dns is not running, so that these records stay in the zone: "
                f"{list_records(facts.left)}.",
                left="They were not touched; the hosted API stays away.",
                todo=f"Start Deployment hypershift/external-dns on the source, then run {RESUME}. {_TAKE}",
            )
        )
    return Wait(
        until="the zone is free of this hosted cluster's records",
        seen=f"still there: {list_records(facts.left)}",
        limit=timeouts.DNS_RELEASED.seconds,
        todo=f"Look at the log of the source's external-dns, then run {RESUME}: it waits again. {_TAKE}",
    )


def _take_over(facts: Facts) -> Decision:
    breach = facts.fence.breach()
    if breach:
        return Refuse(FenceBroken(what=f"The fence does not hold ({breach}), so the records would be made again."))
    if facts.published:
        return Refuse(
            Refused(
                what=f"The source publishes names still, or again: {', '.join(facts.published)}. An external-dns that "
                "comes back would make their records again.",
                left=left_alone(facts.image),
                todo=f"Find out who makes them while the fence holds; delete them, then run {RESUME}.",
            )
        )
    return take(facts.owner, facts.left, facts.strangers, facts.image)


def look_back(ports: Ports, case: Case, memory: RunState) -> Facts:
    if memory.get(DNS_IMAGE) is not None:
        filters = read_external_dns(ports.source, "source").domain_filters
        mine = scope.own(case, ports.source.find(HOSTED_CLUSTER, case.name, case.namespace), filters)
        scope.image(memory, DNS_IMAGE, mine, published=True)
    return observe(ports, case, memory)


def revert(facts: Facts) -> Decision:
    return put_back(facts.owner, facts.image, facts.again)


def foresee(facts: Facts) -> Facts:
    left = facts.left if facts.takeover else ()
    return replace(facts, owner=facts.owner or Unknown("owner"), left=left, published=(), fence=facts.fence.made())


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, left=())


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
