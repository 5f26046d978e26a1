"""Is the source free of this hosted cluster: objects, namespace, volumes, roles, records?"""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Done, Step, Wait
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.deletion.remains import left_on_source, outside, taken_nodes
from hcp_dr.hypershift.dns.external_dns import read_external_dns
from hcp_dr.hypershift.dns.records import owned
from hcp_dr.hypershift.state import ENDPOINT_SERVICES
from hcp_dr.kube.resources import NAMESPACE, PERSISTENT_VOLUME
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig, is_deleting, name_of


@dataclass(frozen=True, slots=True)
class Facts:
    remaining: tuple[str, ...]


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source, own = ports.source, case.control_plane_namespace
    namespace = source.find(NAMESPACE, own)
    services = memory.get(ENDPOINT_SERVICES)
    left_to_owner = namespace is not None and is_deleting(namespace) and bool(services)
    volumes = source.list(PERSISTENT_VOLUME).items
    records = owned(ports.zone.records(), {read_external_dns(source, "source").owner}, own)
    return Facts(
        (
            *left_on_source(ports, case),
            *([f"Namespace {own}"] if namespace and not left_to_owner else []),
            *(f"{resource.kind} {name_of(item)}" for resource, item in outside(source, case)),
            *(f"Node {name_of(node)} reserved for the hosted cluster" for node in taken_nodes(source, case)),
            *(
                f"PersistentVolume {name_of(item)}"
                for item in volumes
                if dig(item, "spec", "claimRef", "namespace") == own
                and dig(item, "spec", "persistentVolumeReclaimPolicy") != "Retain"
            ),
            *(f"record {record.type} {record.name}" for record in records),
        )
    )


def plan(facts: Facts) -> Decision:
    if facts.remaining:
        return Wait(
            "the source is free of this hosted cluster", ", ".join(facts.remaining), timeouts.SOURCE_CLEAN.seconds
        )
    return Done("the source is free of this hosted cluster")


STEP = Step(
    name=steps.VERIFY_SOURCE_CLEAN,
    documented="-",
    observe=observe,
    plan=plan,
    waits=(timeouts.SOURCE_CLEAN,),
    checks="the source is free of this hosted cluster",
    proof=True,
)
