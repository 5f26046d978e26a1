"""Objects of a hosted cluster outside of its two namespaces. They stay if the operator's own deletion is bypassed.

ClusterRoles and bindings labelled with their owner (HCc:519-541), a binding to a shared role, Roles and RoleBindings
in the namespaces of the router (HCc:2955-2990), a dashboard (HCc:2338), and nodes assigned to a cluster with dedicated
topology (rule F5).
"""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin import controllers
from hcp_dr_lab.standin.change import Change, Patch
from hcp_dr_lab.standin.shape import annotation, body, delete, ensure, label
from hcp_dr_lab.standin.view import View

ROUTER_NAMESPACES = ("openshift-ingress", "openshift-ingress-operator")
DASHBOARDS = "openshift-config-managed"
REQUEST_SERVING = "hypershift.openshift.io/request-serving-component"  # label of nodes that can be assigned
_DEDICATED = "dedicated-request-serving-components"
_NODES_OF_A_CLUSTER = 2
_SHARED_ROLE = "hypershift-cluster-api"


def reconcile(view: View, hosted: Object, namespace: str) -> list[Change]:
    changes: list[Change] = []
    for resource, wanted in (*_cluster_wide(hosted, namespace), *_beside_the_router(view, namespace)):
        changes += ensure(view, resource, wanted)
    if view.controllers is not None:
        for name in (names.CLUSTER_API, names.CAPI_PROVIDER):
            for resource, wanted in controllers.account(name, namespace, hosted):
                changes += ensure(view, resource, wanted)
    if view.find(r.NAMESPACE, DASHBOARDS) is not None:
        changes += ensure(view, r.CONFIG_MAP, _dashboard(hosted))
    return changes + _take_nodes(view, hosted, namespace)


def remove(view: View, hosted: Object, namespace: str, why: str) -> list[Change]:
    """HCc:3838-3923, and the scheduler's part."""
    changes: list[Change] = []
    for resource, wanted in (*_cluster_wide(hosted, namespace), *_beside_the_router(view, namespace)):
        if wanted["metadata"]["name"] != _SHARED_ROLE:
            changes += _gone(view, resource, wanted, why)
    changes += _gone(view, r.CONFIG_MAP, _dashboard(hosted), why)
    for node in view.all(r.NODE):
        if label(node, names.HOSTED_CLUSTER) == namespace:
            taints = [item for item in node["spec"].get("taints") or () if item["key"] != names.HOSTED_CLUSTER]
            change = {"metadata": {"labels": {names.HOSTED_CLUSTER: None}}, "spec": {"taints": taints or None}}
            changes.append(Patch(r.NODE, node["metadata"]["name"], None, change, why=f"released: {why}"))
    return changes


def _gone(view: View, resource: Resource, wanted: Object, why: str) -> list[Change]:
    found = view.find(resource, wanted["metadata"]["name"], wanted["metadata"].get("namespace"))
    return delete(resource, found, why) if found is not None else []


def _cluster_wide(hosted: Object, namespace: str) -> list[tuple[Resource, Object]]:
    labels = {
        names.OWNER_NAMESPACE: hosted["metadata"]["namespace"],
        names.OWNER_NAME: hosted["metadata"]["name"],
    }
    own = f"{names.CONTROL_PLANE_OPERATOR}-{namespace}"
    rules = [{"apiGroups": ["config.openshift.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
    kinds = {"apiGroups": [r.CUSTOM_RESOURCE_DEFINITION.group], "resources": [r.CUSTOM_RESOURCE_DEFINITION.plural]}
    kind_rules = [{**kinds, "verbs": ["get", "list", "watch"]}]

    def binding(name: str, role: str, marks: dict[str, str], *accounts: str) -> Object:
        return body(
            r.CLUSTER_ROLE_BINDING,
            name,
            labels=marks,
            roleRef=_role_reference("ClusterRole", role),
            subjects=[_account(account, namespace) for account in accounts],
        )

    machinery = (names.CLUSTER_API, names.CAPI_PROVIDER)
    return [
        (r.CLUSTER_ROLE, body(r.CLUSTER_ROLE, own, labels=labels, rules=rules)),
        (r.CLUSTER_ROLE_BINDING, binding(own, own, labels, names.CONTROL_PLANE_OPERATOR)),
        (r.CLUSTER_ROLE, body(r.CLUSTER_ROLE, _SHARED_ROLE, rules=kind_rules)),
        (r.CLUSTER_ROLE_BINDING, binding(f"{_SHARED_ROLE}-{namespace}", _SHARED_ROLE, {}, *machinery)),
    ]


def _beside_the_router(view: View, namespace: str) -> list[tuple[Resource, Object]]:
    name = f"{names.CONTROL_PLANE_OPERATOR}-{namespace}"
    rules = [{"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "watch"]}]
    wanted: list[tuple[Resource, Object]] = []
    for place in ROUTER_NAMESPACES:
        if view.find(r.NAMESPACE, place) is None:
            continue
        binding = body(
            r.ROLE_BINDING,
            name,
            place,
            roleRef=_role_reference("Role", name),
            subjects=[_account(names.CONTROL_PLANE_OPERATOR, namespace)],
        )
        wanted += [(r.ROLE, body(r.ROLE, name, place, rules=rules)), (r.ROLE_BINDING, binding)]
    return wanted


def _dashboard(hosted: Object) -> Object:
    namespace, name = hosted["metadata"]["namespace"], hosted["metadata"]["name"]
    labels = {"console.openshift.io/dashboard": "true"}
    return body(r.CONFIG_MAP, f"hc-{namespace}-{name}", DASHBOARDS, labels=labels, data={"hc-dashboard.json": "{}"})


def _take_nodes(view: View, hosted: Object, namespace: str) -> list[Change]:
    """Label and taint nodes, so that no other pods are scheduled there."""
    if annotation(hosted, names.TOPOLOGY) != _DEDICATED:
        return []
    nodes = [node for node in view.all(r.NODE) if label(node, REQUEST_SERVING) is not None]
    taken = sum(label(node, names.HOSTED_CLUSTER) == namespace for node in nodes)
    free = [node for node in nodes if label(node, names.HOSTED_CLUSTER) is None]
    taint = {"key": names.HOSTED_CLUSTER, "value": namespace, "effect": "NoSchedule"}
    changes: list[Change] = []
    for node in free[: max(_NODES_OF_A_CLUSTER - taken, 0)]:
        taints = [*(node["spec"].get("taints") or ()), taint]
        change = {"metadata": {"labels": {names.HOSTED_CLUSTER: namespace}}, "spec": {"taints": taints}}
        changes.append(Patch(r.NODE, node["metadata"]["name"], None, change, why=f"assigned to {namespace}"))
    return changes


def _role_reference(kind: str, name: str) -> Object:
    return {"apiGroup": r.ROLE.group, "kind": kind, "name": name}


def _account(name: str, namespace: str) -> Object:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
