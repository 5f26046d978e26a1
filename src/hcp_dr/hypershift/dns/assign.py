"""The destination's part of a handover: once it publishes a held name, its external-dns becomes the owner.

Not before: an external-dns deletes a name of its own that no object publishes. An external-dns with a cache of owners
is restarted, because otherwise the name would have a foreign owner in its cache for an hour.
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
    """`waiting` are held names that the destination does not publish yet."""

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
    """None without a handover, or after its end."""
    if not is_handed_over(memory) or memory.has(DNS_GIVEN):
        return None
    restarting = restart.observe(ports, case, memory)
    owner = restarting.external_dns.owner
    records, held = ports.zone.records(), memory.get(DNS_HELD)
    published = frozenset[str]().union(*_published_names(ports.destination, case.control_plane_namespace))
    return Giving(
        changes=give(records, case.backup_id, held, owner, published) if owner else (),
        waiting=tuple(sorted(names_held(records, case.backup_id, held) - published)),
        restarting=restarting,
    )


def _published_names(cluster: Kubernetes, namespace: str) -> Iterator[frozenset[str]]:
    """The names from which external-dns makes records: admitted Routes, and annotated Services with a load balancer."""
    for route in cluster.list(ROUTE, namespace).items:
        if not is_deleting(route) and any(_is_admitted(entry) for entry in dig(route, "status", "ingress") or ()):
            yield names_in(str(dig(route, "spec", "host") or ""))
    for service in cluster.list(SERVICE, namespace).items:
        if not is_deleting(service) and dig(service, "status", "loadBalancer", "ingress"):
            yield names_in(annotations_of(service).get(HOSTNAME_ANNOTATION, ""))


def _is_admitted(ingress: Object) -> bool:
    conditions = ingress.get("conditions") or ()
    admitted = any((entry.get("type"), entry.get("status")) == ("Admitted", "True") for entry in conditions)
    return admitted and bool(ingress.get("routerCanonicalHostname"))
