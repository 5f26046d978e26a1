"""The destination's part of a handover: as soon as it publishes a name that is held, its external-dns is given it.

Not before: an external-dns that owns a name which nothing publishes deletes it. And where it keeps a cache of owners it
is restarted, or it would go on for an hour seeing the name as somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hcp_dr.aws.port import RecordChange
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import ChangeRecords, Do
from hcp_dr.hypershift.dns import restart
from hcp_dr.hypershift.dns.handover import give, is_handed_over, names_held
from hcp_dr.hypershift.dns.records import names_in
from hcp_dr.hypershift.state import DNS_GIVEN, DNS_HELD
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import ROUTE, SERVICE
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import annotations_of, dig, is_deleting
from hcp_dr.upstream import HOSTNAME_ANNOTATION


@dataclass(frozen=True, slots=True)
class Giving:
    """`waiting` are names that are held, and that the destination does not publish yet."""

    changes: tuple[RecordChange, ...]
    waiting: tuple[str, ...]
    restarting: restart.Facts

    def next_round(self) -> Do | None:
        if self.changes:
            return Do((restart.pods_now(self.restarting), ChangeRecords(self.changes)))
        decision = restart.restart(self.restarting) if self.restarting.old is not None else None
        if isinstance(decision, Do):
            return decision
        return None if self.waiting else Do((DNS_GIVEN.remember(self.restarting.external_dns.owner),))


def read_assignment(ports: Ports, case: Case, memory: RunState) -> Giving | None:
    """None where no name is handed over, or none any more."""
    if not is_handed_over(memory) or memory.has(DNS_GIVEN):
        return None
    restarting = restart.observe(ports, case, memory)
    owner = restarting.external_dns.owner
    records, held = ports.zone.records(), memory.get(DNS_HELD)
    published = frozenset[str]().union(*_published(ports.destination, case.control_plane_namespace))
    return Giving(
        changes=give(records, case.backup_id, held, owner, published) if owner else (),
        waiting=tuple(sorted(names_held(records, case.backup_id, held) - published)),
        restarting=restarting,
    )


def _published(cluster: Kubernetes, namespace: str) -> Iterator[frozenset[str]]:
    """What external-dns makes records from: admitted Routes, and the annotation of a Service with a load balancer."""
    for route in cluster.list(ROUTE, namespace).items:
        if not is_deleting(route) and any(_is_admitted(entry) for entry in dig(route, "status", "ingress") or ()):
            yield names_in(str(dig(route, "spec", "host") or ""))
    for service in cluster.list(SERVICE, namespace).items:
        if not is_deleting(service) and dig(service, "status", "loadBalancer", "ingress"):
            yield names_in(annotations_of(service).get(HOSTNAME_ANNOTATION, ""))


def _is_admitted(ingress: Object) -> bool:
    conditions = ingress.get("conditions") or ()
    told = any((entry.get("type"), entry.get("status")) == ("Admitted", "True") for entry in conditions)
    return told and bool(ingress.get("routerCanonicalHostname"))
