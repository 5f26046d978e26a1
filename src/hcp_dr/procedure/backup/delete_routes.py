"""Removes the objects from which the source's external-dns creates records: deletes the Routes of the control plane
namespace, and removes the hostname annotation, which publishes a load balancer's name, from the Services. Both are
remembered for an undo; no controller creates them again behind the fence.

A Route may have a private key. The journal and its mirror never hold the key: such a Route is whole only in a file of
the backup folder, written before its deletion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import (
    Action,
    Check,
    Create,
    Decision,
    Do,
    Done,
    Patch,
    Refuse,
    Step,
    Wait,
    WatchTarget,
    WriteFile,
)
from hcp_dr.errors import FenceBroken
from hcp_dr.hiding import HIDDEN, texts_in, without_secret_fields
from hcp_dr.hypershift import scope, steps, timeouts
from hcp_dr.hypershift.dns.external_dns import read_external_dns
from hcp_dr.hypershift.dns.publishing import unpublish
from hcp_dr.hypershift.fence.state import Fence, read_fence
from hcp_dr.hypershift.state import ROUTES, SERVICE_HOSTNAMES
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, ROUTE, SERVICE
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import annotations_of, is_deleting, name_of, uid_of
from hcp_dr.objects.scrub import recreatable
from hcp_dr.upstream import HOSTNAME_ANNOTATION


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    fence: Fence
    routes: tuple[Object, ...]
    services: tuple[Object, ...]  # with a hostname for external-dns
    routes_before: Mapping[str, Any] | None  # remembered
    hostnames_before: Mapping[str, Any] | None  # remembered: by Service
    unkept: tuple[Object, ...] = ()  # Routes with secret fields, and without their file in the backup folder


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    services = ports.source.list(SERVICE, case.control_plane_namespace).items
    routes = ports.source.list(ROUTE, case.control_plane_namespace).items
    return Facts(
        namespace=case.control_plane_namespace,
        fence=read_fence(ports.source, case, memory),
        routes=routes,
        services=tuple(item for item in services if HOSTNAME_ANNOTATION in annotations_of(item)),
        routes_before=memory.get(ROUTES),
        hostnames_before=memory.get(SERVICE_HOSTNAMES),
        unkept=tuple(item for item in routes if _has_secret(item) and _kept(ports, name_of(item)) != recreatable(item)),
    )


def _has_secret(route: Object) -> bool:
    return bool(without_secret_fields(route) != route)


def _path(name: str) -> str:
    """The file with a whole Route, in a form that kubectl creates it from."""
    return f"kept/route-{name}.json"


def _kept(ports: Ports, name: str) -> Object | None:
    """The whole Route in the backup folder; None if the folder has none, or no readable one."""
    data = ports.archive.read(_path(name))
    try:
        item = json.loads(data) if data is not None else None
    except (ValueError, RecursionError):
        return None
    return item if isinstance(item, dict) else None


def plan(facts: Facts) -> Decision:
    breach = facts.fence.breach()
    if breach:
        return Refuse(
            FenceBroken(what=f"The fence on the source is broken ({breach}): the Routes would be created again.")
        )
    if facts.unkept:
        files = ((_path(name_of(route)), recreatable(route)) for route in facts.unkept)
        return Do(tuple(WriteFile(path, json.dumps(route, indent=1)) for path, route in files))
    memory = []
    if facts.routes_before is None:
        routes_before = {name_of(route): without_secret_fields(recreatable(route)) for route in facts.routes}
        memory.append(ROUTES.remember(routes_before))
    if facts.hostnames_before is None:
        hostnames = {name_of(item): annotations_of(item)[HOSTNAME_ANNOTATION] for item in facts.services}
        memory.append(SERVICE_HOSTNAMES.remember(hostnames))
    if memory:
        return Do(tuple(memory))
    routes = [(name_of(route), uid_of(route)) for route in facts.routes if not is_deleting(route)]
    actions = unpublish(facts.namespace, routes, [name_of(item) for item in facts.services])
    if actions:
        return Do(actions)
    if facts.routes:
        names = ", ".join(name_of(route) for route in facts.routes)
        return Wait(
            "the Routes are gone",
            f"not deleted yet: {names}",
            timeouts.ROUTES_GONE.seconds,
            WatchTarget("source", ROUTE, facts.namespace),
        )
    hostnames_gone = f", and the hostnames of {len(facts.hostnames_before)} Services" if facts.hostnames_before else ""
    return Done(f"{len(facts.routes_before or ())} Routes are gone from {facts.namespace}{hostnames_gone}")


def foresee(facts: Facts) -> Facts:
    return replace(facts, fence=facts.fence.made())


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.unkept:
        return replace(facts, unkept=())
    if facts.routes_before is None or facts.hostnames_before is None:
        return replace(facts, routes_before={}, hostnames_before={})
    return replace(facts, routes=(), services=())


@dataclass(frozen=True, slots=True)
class Published:
    """The Routes and hostnames behind the DNS names, now and before."""

    namespace: str
    routes: tuple[Object, ...]
    hostnames: Mapping[str, str | None]  # by Service, None without a hostname
    routes_before: Mapping[str, Any]  # remembered; whole, except for those that lack their secret fields
    hostnames_before: Mapping[str, Any]  # remembered
    incomplete: tuple[str, ...] = ()  # names of Routes whose secret fields are not in this backup folder


def look_back(ports: Ports, case: Case, memory: RunState) -> Published:
    filters = read_external_dns(ports.source, "source").domain_filters
    mine = scope.own(case, ports.source.find(HOSTED_CLUSTER, case.name, case.namespace), filters)
    routes, hostnames = scope.routes(memory, mine), scope.hostnames(memory, mine)
    lacking = {name for name, body in routes.items() if HIDDEN in texts_in(body)}
    whole = {
        name: kept for name in lacking if (kept := _kept(ports, name)) and without_secret_fields(kept) == routes[name]
    }
    services = ports.source.list(SERVICE, case.control_plane_namespace).items
    return Published(
        namespace=case.control_plane_namespace,
        routes=ports.source.list(ROUTE, case.control_plane_namespace).items,
        hostnames={name_of(item): annotations_of(item).get(HOSTNAME_ANNOTATION) for item in services},
        routes_before={**routes, **whole},
        hostnames_before=hostnames,
        incomplete=tuple(sorted(lacking - whole.keys())),
    )


def revert(facts: Published) -> Decision:
    existing = {name_of(route): route for route in facts.routes}
    actions: tuple[Action, ...] = tuple(
        Create("source", ROUTE, body)
        for name, body in facts.routes_before.items()
        if name not in existing and name not in facts.incomplete
    )
    actions += tuple(
        Patch("source", SERVICE, name, facts.namespace, {"metadata": {"annotations": {HOSTNAME_ANNOTATION: hostname}}})
        for name, hostname in facts.hostnames_before.items()
        if name in facts.hostnames and facts.hostnames[name] is None
    )
    if actions:
        return Do(actions)
    deleting = [name for name, route in existing.items() if name in facts.routes_before and is_deleting(route)]
    if deleting:
        wake = WatchTarget("source", ROUTE, facts.namespace)
        return Wait(
            "the old Routes are gone", f"being deleted: {', '.join(deleting)}", timeouts.ROUTES_GONE.seconds, wake
        )
    differing = [
        f"Route {name}"
        for name, body in facts.routes_before.items()
        if name in existing and name not in facts.incomplete
        if recreatable(existing[name]).get("spec") != body.get("spec")
    ]
    differing += [
        f"Service {name}" for name, hostname in facts.hostnames_before.items() if facts.hostnames.get(name) != hostname
    ]
    seen = f"changed on the source since the fence: {', '.join(differing)}"
    why = "another client has created or changed these objects; hcp-dr did not restore them"
    todo = "check that the hosted cluster's hostnames resolve to the source"
    checks = (Check("names", "warning", seen, why, todo),) if differing else ()
    return Done("the Routes and hostnames are restored", (*checks, *_check_incomplete(facts, existing)))


def _check_incomplete(facts: Published, existing: Mapping[str, Object]) -> tuple[Check, ...]:
    """An abort does not stop at them: the hosted cluster must serve again."""
    missing = [name for name in facts.incomplete if name not in existing]
    seen = f"not created again on the source: {', '.join(f'Route {name}' for name in missing)}"
    why = "a private key of the Route is only in the backup folder of the machine that deleted the Route"
    files = " ".join(f"-f {_path(name)}" for name in missing)
    todo = f"on that machine, in its backup folder: `kubectl create {files}`, with the source's kubeconfig"
    return (Check("routes", "warning", seen, why, todo),) if missing else ()


STEP = Step(
    name=steps.BACKUP_DELETE_ROUTES,
    documented="8.6.2-5",
    observe=observe,
    plan=plan,
    waits=(timeouts.ROUTES_GONE,),
    foresee=foresee,
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
)
