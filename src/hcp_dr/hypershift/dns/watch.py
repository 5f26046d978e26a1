"""The source's names are watched from their release until the API answers by its name on the destination.

A client that lifts the fence brings the source's operators back. They publish the names again, and the records lead to
the source, which is fenced again by then: the destination's external-dns cannot write beside records of another owner,
and the API would stay away for good. So everything that the source published again is removed: its Routes, the hostname
annotations of its Services, and the records that its external-dns keeps at the names.

Before the point of no return the steps that release the names are repeated anyway. The zone is read only where the
source publishes names, or the fence was lifted after the point of no return.
"""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.peers import Stranger, stranger
from hcp_dr.engine.step import ChangeRecords, Decision, Do, Done, Refuse, Step, Watch
from hcp_dr.hypershift import steps
from hcp_dr.hypershift.dns.external_dns import source_owner
from hcp_dr.hypershift.dns.publishing import unpublish
from hcp_dr.hypershift.dns.records import fixed_names, kept_at
from hcp_dr.hypershift.dns.takeover import list_records
from hcp_dr.hypershift.state import BREACHES
from hcp_dr.kube.resources import HOSTED_CLUSTER, ROUTE, SERVICE
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import annotations_of, is_deleting, name_of, uid_of
from hcp_dr.upstream import HOSTNAME_ANNOTATION

WATCH_NAME = "watch.names"


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str  # of the control plane
    routes: tuple[tuple[str, str], ...] = ()  # name and uid
    services: tuple[str, ...] = ()  # with a hostname for external-dns
    records: tuple[Record, ...] = ()  # that the source's external-dns keeps at the names
    stranger: Stranger | None = None  # another cluster than the source of this relocation

    @property
    def publishing(self) -> tuple[str, ...]:
        return (*(f"Route {name}" for name, _ in self.routes), *(f"Service {name}" for name in self.services))


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    namespace = case.control_plane_namespace
    if steps.POINT_OF_NO_RETURN not in memory.acted:
        return Facts(namespace)
    source = ports.source
    services = source.list(SERVICE, namespace).items
    facts = Facts(
        namespace,
        routes=tuple((name_of(e), uid_of(e)) for e in source.list(ROUTE, namespace).items if not is_deleting(e)),
        services=tuple(name_of(e) for e in services if HOSTNAME_ANNOTATION in annotations_of(e) and not is_deleting(e)),
    )
    lifted = any(breach.released for breach in memory.get(BREACHES) or ())
    if not (facts.publishing or lifted):
        return facts
    hosted_cluster = source.find(HOSTED_CLUSTER, case.name, case.namespace)
    other = stranger(ports, case, "source")
    records = ports.zone.records()
    names = (fixed_names(hosted_cluster) if hosted_cluster else frozenset()) | {case.api_hostname}
    owner = source_owner(ports, case, records)
    return Facts(namespace, facts.routes, facts.services, kept_at(records, {owner}, namespace, names), other)


def alarm(facts: Facts) -> str | None:
    if facts.publishing:
        return f"the source publishes names again: {', '.join(facts.publishing)}"
    return f"the source's external-dns keeps names again: {list_records(facts.records)}" if facts.records else None


def plan(facts: Facts) -> Decision:
    """The records last: an external-dns that finds the Routes creates them again."""
    if alarm(facts) is None:
        return Done("the source publishes no name")
    if facts.stranger is not None:
        return Refuse(facts.stranger.error)
    actions = unpublish(facts.namespace, facts.routes, facts.services)
    if actions:
        return Do(actions)
    return Do((ChangeRecords(tuple(RecordChange("DELETE", record) for record in facts.records)),))


WATCH = Watch(
    page=Step(name=WATCH_NAME, documented="-", observe=observe, plan=plan),
    after=(steps.BACKUP_RELEASE_DNS,),
    until=steps.VERIFY_PUBLISH_API,
    alarm=alarm,
)
"""The watch of the fence reports each time that the fence was lifted."""
