"""Takes away what the source's external-dns makes records from: the Routes of the control plane namespace are deleted,
and the hostname annotation is taken off its Services, by which a load balancer's name is published. Both are
remembered, to be put back by an undo; nobody makes them again while the fence holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Action, Decision, Delete, Do, Done, Patch, Refuse, Remember, Step, Topic, Wait
from hcp_dr.errors import FenceBroken
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import ROUTE, SERVICE
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import annotations_of, is_deleting, name_of, uid_of
from hcp_dr.objects.scrub import scrub
from hcp_dr.procedure.fencing import Fence, look_at

LIMIT = 120.0
HOSTNAME = "external-dns.alpha.kubernetes.io/hostname"


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    fence: Fence
    routes: tuple[Object, ...]
    services: tuple[Object, ...]  # those with a hostname for external-dns
    routes_before: Mapping[str, Any] | None  # remembered
    hostnames_before: Mapping[str, Any] | None  # remembered: by Service


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    services = ports.source.list(SERVICE, case.control_plane_namespace).items
    return Facts(
        namespace=case.control_plane_namespace,
        fence=look_at(ports.source, case, memory),
        routes=ports.source.list(ROUTE, case.control_plane_namespace).items,
        services=tuple(item for item in services if HOSTNAME in annotations_of(item)),
        routes_before=memory.mapping("routes"),
        hostnames_before=memory.mapping("service_hostnames"),
    )


def plan(facts: Facts) -> Decision:
    breach = facts.fence.breach()
    if breach:
        return Refuse(FenceBroken(what=f"The fence does not hold ({breach}), so the Routes would be made again."))
    memory = []
    if facts.routes_before is None:
        memory.append(Remember("routes", {name_of(route): scrub(route) for route in facts.routes}))
    if facts.hostnames_before is None:
        hostnames = {name_of(item): annotations_of(item)[HOSTNAME] for item in facts.services}
        memory.append(Remember("service_hostnames", hostnames))
    if memory:
        return Do(tuple(memory))
    actions: tuple[Action, ...] = tuple(
        Delete("source", ROUTE, name_of(route), facts.namespace, uid_of(route))
        for route in facts.routes
        if not is_deleting(route)
    )
    silent = {"metadata": {"annotations": {HOSTNAME: None}}}
    actions += tuple(Patch("source", SERVICE, name_of(item), facts.namespace, silent) for item in facts.services)
    if actions:
        return Do(actions)
    if facts.routes:
        names = ", ".join(name_of(route) for route in facts.routes)
        return Wait("the Routes are gone", f"still there: {names}", LIMIT, Topic("source", ROUTE, facts.namespace))
    silent_now = f", and the hostnames of {len(facts.hostnames_before)} Services" if facts.hostnames_before else ""
    return Done(f"{len(facts.routes_before or ())} Routes are gone from {facts.namespace}{silent_now}")


def foresee(facts: Facts) -> Facts:
    return replace(facts, fence=facts.fence.made())


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.routes_before is None or facts.hostnames_before is None:
        return replace(facts, routes_before={}, hostnames_before={})
    return replace(facts, routes=(), services=())


STEP = Step(
    name="backup.delete_routes",
    documented="8.6.2-5",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
