"""Restarts the destination's external-dns if it caches the owners of records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Decision, Delete, Do, Done
from hcp_dr.hypershift.dns.external_dns import ExternalDns, read_external_dns
from hcp_dr.hypershift.dns.handover import is_handed_over
from hcp_dr.hypershift.state import EXTERNAL_DNS_PODS
from hcp_dr.hypershift.workloads import PodFact, workloads
from hcp_dr.kube.resources import DEPLOYMENT, POD
from hcp_dr.model import Case, Ports
from hcp_dr.upstream import EXTERNAL_DNS, OPERATOR_NAMESPACE

_NO_CACHE = ("", "0", "0s", "0m", "0h")


@dataclass(frozen=True, slots=True)
class Facts:
    later: bool  # remembered: names are handed over; external-dns is restarted during the handover
    external_dns: ExternalDns
    pods: tuple[PodFact, ...]
    old: Mapping[str, str] | None  # remembered: names by uid


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    deployments = [w for w in workloads(ports.destination, OPERATOR_NAMESPACE, DEPLOYMENT) if w.name == EXTERNAL_DNS]
    return Facts(
        later=is_handed_over(memory),
        external_dns=read_external_dns(ports.destination, "destination"),
        pods=tuple(pod for workload in deployments for pod in workload.pods),
        old=memory.get(EXTERNAL_DNS_PODS),
    )


def pods_now(facts: Facts) -> Remember:
    return EXTERNAL_DNS_PODS.remember({pod.uid: pod.name for pod in facts.pods})


def restart(facts: Facts) -> Decision:
    """Restart the remembered pods, or else the current pods."""
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
    return Done(f"the destination's external-dns was restarted because it caches owners for {facts.external_dns.cache}")
