"""Checks of preflight: from a finding to a check, and from checks to a decision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from hcp_dr.engine.step import Check, Decision, Done, Refuse
from hcp_dr.errors import CannotMigrate, Forbidden, NotFound
from hcp_dr.kube.port import Kubernetes, Object, Resource


def verdict(checks: Iterable[Check]) -> Decision:
    """Done if nothing blocks, else the refusal with the names of the blocking checks."""
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
    """The check if `bad`, else the same check as ok."""
    return Check(name, verdict, seen, why, todo, acceptable) if bad else Check(name, "ok", seen)


def not_seen(name: str, what: str, why: str) -> Check:
    """The check for objects that these credentials may not read. An engineer who has verified them may accept it."""
    todo = "allow these credentials to list it, or verify it with other credentials and accept the result"
    return Check(name, "unknown", f"not checked: {what} may not be listed", why, todo, acceptable=True)


def look_for(cluster: Kubernetes, resource: Resource, namespace: str | None = None) -> tuple[Object, ...] | None:
    """The objects; empty if the kind is unknown, None if these credentials may not list them."""
    try:
        return cluster.list(resource, namespace).items
    except NotFound:
        return ()
    except Forbidden:
        return None


def read_one(cluster: Kubernetes, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
    """The object; None if it does not exist, or if these credentials may not read it."""
    try:
        return cluster.find(resource, name, namespace)
    except Forbidden:
        return None
