"""Deletes the Routes of the control plane namespace, so that the source's external-dns gives their names up. They are
remembered whole, to be put back by an undo; nobody makes them again while the fence holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Decision, Delete, Do, Done, Refuse, Remember, Step, Topic, Wait
from hcp_dr.errors import FenceBroken
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import ROUTE
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import is_deleting, name_of, uid_of
from hcp_dr.objects.scrub import scrub
from hcp_dr.procedure.fencing import Fence, look_at

LIMIT = 120.0


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    fence: Fence
    routes: tuple[Object, ...]
    before: Mapping[str, Any] | None  # remembered


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    return Facts(
        namespace=case.control_plane_namespace,
        fence=look_at(ports.source, case),
        routes=ports.source.list(ROUTE, case.control_plane_namespace).items,
        before=memory.mapping("routes"),
    )


def plan(facts: Facts) -> Decision:
    breach = facts.fence.breach()
    if breach:
        return Refuse(FenceBroken(what=f"The fence does not hold ({breach}), so the Routes would be made again."))
    if facts.before is None:
        return Do((Remember("routes", {name_of(route): scrub(route) for route in facts.routes}),))
    actions = tuple(
        Delete("source", ROUTE, name_of(route), facts.namespace, uid_of(route))
        for route in facts.routes
        if not is_deleting(route)
    )
    if actions:
        return Do(actions)
    if facts.routes:
        names = ", ".join(name_of(route) for route in facts.routes)
        return Wait("the Routes are gone", f"still there: {names}", LIMIT, Topic("source", ROUTE, facts.namespace))
    return Done(f"{len(facts.before)} Routes are gone from {facts.namespace}")


def foresee(facts: Facts) -> Facts:
    return replace(facts, fence=facts.fence.made())


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.before is None:
        return replace(facts, before={})
    return replace(facts, routes=())


STEP = Step(
    name="backup.delete_routes",
    documented="8.6.2-5",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
