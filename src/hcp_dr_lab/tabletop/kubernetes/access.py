"""Authorization: by RBAC objects, or by a rule instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hcp_dr.kube.port import Object
from hcp_dr_lab.tabletop.kubernetes.store import Key, Store

SUPERUSERS = "system:masters"
AUTHENTICATED = "system:authenticated"
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Caller:
    """The user of a request. A service account is system:serviceaccount:<namespace>:<name>."""

    user: str
    groups: tuple[str, ...] = ()


ADMINISTRATOR = Caller("rehearsal-admin", (SUPERUSERS,))


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes of a request. namespace "" means all namespaces, or a cluster-scoped kind."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def allowed(store: Store, caller: Caller, asked: Attributes) -> bool:
    """Decide like RBAC: requests without an allowing rule are forbidden."""
    if SUPERUSERS in caller.groups:
        return True
    return any(_covers(rule, asked) for rule in _rules(store, caller, asked.namespace))


def _rules(store: Store, caller: Caller, namespace: str) -> Iterator[Object]:
    bindings = store.list(f"clusterrolebindings.{_RBAC}")
    if namespace:
        bindings += store.list(f"rolebindings.{_RBAC}", namespace)
    for binding in bindings:
        if any(_is(subject, caller, binding.key.namespace) for subject in binding.object.get("subjects") or ()):
            reference = binding.object["roleRef"]
            cluster_wide = reference["kind"] == "ClusterRole"
            kind = "clusterroles" if cluster_wide else "roles"
            space = "" if cluster_wide else binding.key.namespace
            role = store.get(Key(f"{kind}.{_RBAC}", space, reference["name"]))
            if role is not None:
                yield from role.object.get("rules") or ()


def _is(subject: Object, caller: Caller, namespace: str) -> bool:
    match subject["kind"]:
        case "User":
            return bool(subject["name"] == caller.user)
        case "Group":
            return subject["name"] in (*caller.groups, AUTHENTICATED)
        case "ServiceAccount":
            space = subject.get("namespace") or namespace
            return caller.user == f"system:serviceaccount:{space}:{subject['name']}"
    return False


def _covers(rule: Object, asked: Attributes) -> bool:
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    wanted = {resource, "*"} | ({f"*/{asked.subresource}"} if asked.subresource else set())
    names = rule.get("resourceNames")
    return (
        _has(rule.get("verbs"), asked.verb)
        and _has(rule.get("apiGroups"), asked.group)
        and not wanted.isdisjoint(rule.get("resources") or ())
        and (not names or asked.name in names)
    )


def _has(values: Sequence[Any] | None, wanted: str) -> bool:
    return bool(values) and (wanted in (values or ()) or "*" in (values or ()))
