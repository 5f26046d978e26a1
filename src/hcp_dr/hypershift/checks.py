"""Checks of preflight: how a finding becomes a check, and checks become a decision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from hcp_dr.engine.step import Check, Decision, Done, Refuse
from hcp_dr.errors import CannotMigrate, Forbidden, NotFound
from hcp_dr.kube.port import Kubernetes, Object, Resource


def verdict(checks: Iterable[Check]) -> Decision:
    """Done when nothing stops, else the refusal that names what does."""
    checks = tuple(checks)
    stopping = [check.name for check in checks if check.stops]
    if stopping:
        return Refuse(CannotMigrate(checks=", ".join(stopping)), checks)
    return Done(f"{len(checks)} checks, none blocked", checks)


def bad_if(
    bad: object,
    name: str,
    seen: str,
    why: str,
    todo: str,
    *,
    verdict: Literal["warning", "blocked", "unknown"] = "blocked",
    acceptable: bool = False,
) -> Check:
    """The check where something is bad, else the same as ok."""
    return Check(name, verdict, seen, why, todo, acceptable) if bad else Check(name, "ok", seen)


def not_seen(name: str, what: str, why: str) -> Check:
    """For what these credentials may not look at. Whoever looks at it in another way may accept it."""
    todo = "allow these credentials to list it, or look with others and accept what you see"
    return Check(name, "unknown", f"not looked at: {what} may not be listed", why, todo, acceptable=True)


def look_for(cluster: Kubernetes, resource: Resource, namespace: str | None = None) -> tuple[Object, ...] | None:
    """What is there; nothing where the kind is not known, and None where these credentials may not look."""
    try:
        return cluster.list(resource, namespace).items
    except NotFound:
        return ()
    except Forbidden:
        return None


def read_one(cluster: Kubernetes, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
    """The object; None where it is not there, or these credentials may not look: nobody tells."""
    try:
        return cluster.find(resource, name, namespace)
    except Forbidden:
        return None
