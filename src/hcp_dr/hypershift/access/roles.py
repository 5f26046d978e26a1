"""The table of permissions as the manifests of one cluster: roles, each with its binding to one subject.

All cluster-wide permissions are one ClusterRole. The destination's manifests include the two namespaces, because a role
needs an existing namespace; `restore.claim_namespaces` takes an empty namespace prepared in this way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hcp_dr.hypershift.access.permissions import EVERYWHERE, Permission, permissions
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, NAMESPACE, ROLE, ROLE_BINDING
from hcp_dr.model import PREPARED_ANNOTATION, Side
from hcp_dr.objects.naming import control_plane_namespace

_API_GROUP = ROLE.group


def user(name: str) -> Object:
    return {"kind": "User", "apiGroup": _API_GROUP, "name": name}


def group(name: str) -> Object:
    return {"kind": "Group", "apiGroup": _API_GROUP, "name": name}


def service_account(namespace: str, name: str) -> Object:
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


def manifests(side: Side, namespace: str, name: str, subject: Object) -> tuple[Object, ...]:
    """The manifests for the HostedCluster `namespace`/`name`, in the order to apply them."""
    rights = permissions(side, namespace, name)
    title = f"hcp-dr:{side}:{control_plane_namespace(namespace, name)}"
    places = sorted({right.place for right in rights})
    objects = list(_namespaces(namespace, name)) if side == "destination" else []
    for place in places:
        objects += _bound(title, place, rules(right for right in rights if right.place == place), subject)
    return tuple(objects)


def rules(rights: Iterable[Permission]) -> list[Object]:
    """The fewest rules with the same meaning: kinds of one API group with the same verbs share a rule."""
    verbs: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for right in rights:
        kind = f"{right.resource.plural}/{right.part}" if right.part else right.resource.plural
        known = verbs.setdefault((right.resource.group, kind, right.names), [])
        known += [verb for verb in right.verbs if verb not in known]
    kinds: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (api_group, kind, names), granted in verbs.items():
        kinds.setdefault((api_group, tuple(granted), names), []).append(kind)
    return [
        {"apiGroups": [api_group], "resources": resources, "verbs": list(granted)}
        | ({"resourceNames": list(names)} if names else {})
        for (api_group, granted, names), resources in kinds.items()
    ]


def _bound(title: str, place: str, granted: list[Object], subject: Object) -> tuple[Object, Object]:
    role, binding = (CLUSTER_ROLE, CLUSTER_ROLE_BINDING) if place == EVERYWHERE else (ROLE, ROLE_BINDING)
    meta = {"name": title} | ({"namespace": place} if place else {})
    reference = {"apiGroup": _API_GROUP, "kind": role.kind, "name": title}
    return (
        {"apiVersion": role.api_version, "kind": role.kind, "metadata": {**meta}, "rules": granted},
        {
            "apiVersion": binding.api_version,
            "kind": binding.kind,
            "metadata": {**meta},
            "roleRef": reference,
            "subjects": [{**subject}],
        },
    )


def _namespaces(namespace: str, name: str) -> tuple[Object, Object]:
    base: dict[str, Any] = {"apiVersion": NAMESPACE.api_version, "kind": NAMESPACE.kind}
    own = {"name": control_plane_namespace(namespace, name), "annotations": {PREPARED_ANNOTATION: "true"}}
    return ({**base, "metadata": {"name": namespace}}, {**base, "metadata": own})


def as_list(items: Iterable[Object]) -> Object:
    """A List object for `kubectl apply -f`."""
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def text(side: Side, namespace: str, name: str) -> str:
    """For display: place, kind, verbs, and the purpose if not every relocation needs it."""
    lines = [f"{side}:"]
    rights = permissions(side, namespace, name)
    for place in sorted({right.place for right in rights}):
        lines.append(f"  {'in namespace ' + place if place else 'cluster-wide'}")
        rows: dict[tuple[str, str], list[str]] = {}
        for right in rights:
            if right.place == place:
                kind = f"{right.resource}/{right.part}" if right.part else str(right.resource)
                only = f" (only {', '.join(right.names)})" if right.names else ""
                rows.setdefault((kind + only, right.beyond), []).extend(right.verbs)
        lines += [
            f"    {' '.join(verbs):30} {what}" + (f"  [{beyond}]" if beyond else "")
            for (what, beyond), verbs in rows.items()
        ]
    return "\n".join(lines)
