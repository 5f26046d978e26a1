"""Restarts the destination's external-dns where it keeps a cache of who owns which record. HyperShift lets it keep one
for an hour: it would go on seeing the source's records, long gone, as somebody else's, and write none of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Decision, Delete, Do, Done, Refuse, Remember, Step
from hcp_dr.errors import NotFound
from hcp_dr.hypershift.dns.handover import is_handed_over
from hcp_dr.hypershift.workloads import PodFact, workloads
from hcp_dr.kube.resources import DEPLOYMENT, POD
from hcp_dr.model import Case, Ports
from hcp_dr.procedure.preflight.external_dns import NAME, NAMESPACE, ExternalDns, look_at

PODS = "external_dns_pods"
"""Remembered: pod names by uid."""
_NO_CACHE = ("", "0", "0s", "0m", "0h")


@dataclass(frozen=True, slots=True)
class Facts:
    later: bool  # remembered: names are handed over, at which it is restarted then
    external_dns: ExternalDns
    pods: tuple[PodFact, ...]
    old: Mapping[str, Any] | None  # remembered


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    found = [w for w in workloads(ports.destination, NAMESPACE, DEPLOYMENT) if w.name == NAME]
    return Facts(
        later=is_handed_over(memory),
        external_dns=look_at(ports.destination, "destination"),
        pods=tuple(pod for workload in found for pod in workload.pods),
        old=memory.mapping(PODS),
    )


def pods_now(facts: Facts) -> Remember:
    return Remember(PODS, {pod.uid: pod.name for pod in facts.pods})


def plan(facts: Facts) -> Decision:
    if not facts.external_dns.there:
        return Refuse(NotFound(object=f"Deployment {NAMESPACE}/{NAME}", cluster="destination", verb="restart"))
    if facts.later:
        return Done("the destination's external-dns is restarted when it is given the names")
    return restart(facts)


def restart(facts: Facts) -> Decision:
    """Of the pods that are remembered, or else of those that are there."""
    if facts.external_dns.cache in _NO_CACHE:
        return Done("the destination's external-dns keeps no cache of owners")
    if facts.old is None:
        return Do((pods_now(facts),))
    actions = tuple(
        Delete("destination", POD, pod.name, pod.namespace, pod.uid)
        for pod in facts.pods
        if pod.uid in facts.old and pod.grace is None
    )
    if actions:
        return Do(actions)
    return Done(f"the destination's external-dns was restarted, because it keeps owners for {facts.external_dns.cache}")


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.old is None:
        return replace(facts, old={pod.uid: pod.name for pod in facts.pods})
    return replace(facts, pods=())


STEP = Step(name="restore.refresh_external_dns", documented="-", observe=observe, plan=plan, afterwards=afterwards)
