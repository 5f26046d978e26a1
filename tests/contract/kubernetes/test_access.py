"""Who may do what: a user with a Role, and what the product is told when it asks beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object
from tests.contract.kubernetes.sides import Side, an_object, new_namespace

RULES = [
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "create"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"], "resourceNames": ["mine"]},
    {"apiGroups": ["apps"], "resources": ["deployments/scale", "*/status"], "verbs": ["patch"]},
    {"apiGroups": ["route.openshift.io"], "resources": ["*"], "verbs": ["get", "watch"]},
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
]


def grant(side: Side, namespace: str, user: str, rules: list[Object] | None = None) -> Kubernetes:
    """A user with a Role in the namespace; known to the server when this returns."""
    role = an_object(r.ROLE, user, namespace, rules=RULES if rules is None else rules)
    side.admin.create(r.ROLE, role)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]
    side.admin.create(r.ROLE_BINDING, an_object(r.ROLE_BINDING, user, namespace, roleRef=reference, subjects=subjects))
    client = side.user(user)
    side.eventually(lambda: client.may("get", r.SECRET, namespace), "the server knows the new Role")
    return client


def test_the_administrator_may_do_everything(side: Side, namespace: str) -> None:
    assert side.admin.may("delete", r.HOSTED_CLUSTER, namespace)
    assert side.admin.may("patch", r.NAMESPACE)
    assert side.admin.may("create", r.POD, namespace, subresource="exec")


def test_a_user_may_do_what_a_role_says_in_its_namespace(side: Side, namespace: str) -> None:
    user = grant(side, namespace, "reader")
    other = new_namespace(side)
    asked = {
        "get secrets": user.may("get", r.SECRET, namespace),
        "delete secrets": user.may("delete", r.SECRET, namespace),
        "get secrets elsewhere": user.may("get", r.SECRET, other),
        "get secrets everywhere": user.may("get", r.SECRET),
        "get some config map": user.may("get", r.CONFIG_MAP, namespace),
        "patch deployments": user.may("patch", r.DEPLOYMENT, namespace),
        "patch their scale": user.may("patch", r.DEPLOYMENT, namespace, subresource="scale"),
        "patch their status": user.may("patch", r.DEPLOYMENT, namespace, subresource="status"),
        "get routes": user.may("get", r.ROUTE, namespace),
        "get their status": user.may("get", r.ROUTE, namespace, subresource="status"),
        "create routes": user.may("create", r.ROUTE, namespace),
        "get namespaces": user.may("get", r.NAMESPACE),
        "list nodes": user.may("list", r.NODE),
    }
    assert {what for what, may in asked.items() if may} == {
        "get secrets",
        "patch their scale",
        "patch their status",
        "get routes",
        "get their status",
    }


def test_what_a_user_may_not_do_is_forbidden(side: Side, namespace: str) -> None:
    user = grant(side, namespace, "writer")
    side.admin.create(r.CONFIG_MAP, an_object(r.CONFIG_MAP, "mine", namespace))
    user.create(r.SECRET, an_object(r.SECRET, "a", namespace))
    assert user.get(r.SECRET, "a", namespace)["metadata"]["name"] == "a"
    assert len(user.list(r.SECRET, namespace).items) == 1
    assert user.get(r.NAMESPACE, namespace)["kind"] == "Namespace"
    user.patch(r.CONFIG_MAP, "mine", namespace, {"data": {"a": "b"}})
    forbidden: list[Callable[[], Any]] = [
        lambda: user.delete(r.SECRET, "a", namespace),
        lambda: user.patch(r.SECRET, "a", namespace, {"data": {}}),
        lambda: user.replace(r.SECRET, an_object(r.SECRET, "a", namespace)),
        lambda: list(user.watch(r.SECRET, namespace, resource_version="0", seconds=1)),
        lambda: user.get(r.CONFIG_MAP, "other", namespace),
        lambda: user.list(r.CONFIG_MAP, namespace),
        lambda: user.list(r.SECRET),
        lambda: user.get(r.NAMESPACE, "default"),
        lambda: user.create(r.SECRET, an_object(r.SECRET, "a", "no-such-namespace")),
    ]
    for ask in forbidden:
        with pytest.raises(errors.Forbidden):
            ask()
    with pytest.raises(errors.Forbidden) as refused:
        user.delete(r.SECRET, "a", namespace)
    assert str(refused.value.values["reason"]) == (
        f'secrets "a" is forbidden: User "writer" cannot delete resource "secrets" in API group "" in the namespace '
        f'"{namespace}"'
    )
    with pytest.raises(errors.Forbidden, match='cannot list resource "nodes" in API group "" at the cluster scope'):
        user.list(r.NODE)


def test_a_binding_keeps_its_role(side: Side, namespace: str) -> None:
    grant(side, namespace, "keeper")
    with pytest.raises(errors.Invalid, match="roleRef: Invalid value"):
        side.admin.patch(r.ROLE_BINDING, "keeper", namespace, {"roleRef": {"name": "other"}})


@pytest.mark.parametrize("verb", ["get", "create"])
def test_a_command_needs_two_rights(side: Side, namespace: str, verb: str) -> None:
    """`get`, since the connection begins with a GET, and of Kubernetes 1.35 and newer `create` as well."""
    side.eventually(lambda: side.admin.find(r.SERVICE_ACCOUNT, "default", namespace), "a default service account")
    pod = an_object(r.POD, "a", namespace, spec={"containers": [{"name": "a", "image": "image:1"}]})
    side.admin.create(r.POD, pod)
    role = f"{verb}-only"

    def rules(*verbs: str) -> list[Object]:
        return [RULES[0], {"apiGroups": [""], "resources": ["pods/exec"], "verbs": list(verbs)}]

    user = grant(side, namespace, role, rules(verb))
    with pytest.raises(errors.Forbidden, match='pods "a" is forbidden'):
        user.execute(namespace, "a", "a", ["true"])
    side.admin.patch(r.ROLE, role, namespace, {"rules": rules("get", "create")})
    other = "create" if verb == "get" else "get"
    side.eventually(lambda: user.may(other, r.POD, namespace, subresource="exec"), "the server knows the Role")
    with pytest.raises(errors.Invalid, match="does not have a host assigned"):
        user.execute(namespace, "a", "a", ["true"])


def test_whoever_names_an_owner_must_be_allowed_to_hold_it(side: Side, namespace: str) -> None:
    """The plugin OwnerReferencesPermissionEnforcement, as OpenShift has it."""
    writing = {"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["get", "create", "patch"]}
    owner = side.admin.create(r.CONFIG_MAP, an_object(r.CONFIG_MAP, "owner", namespace))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    blocking = {**reference, "blockOwnerDeletion": True}

    def owned(name: str, *owners: Object) -> Object:
        made = an_object(r.SECRET, name, namespace)
        return {**made, "metadata": {**made["metadata"], "ownerReferences": list(owners)}}

    user = grant(side, namespace, "one", [writing])
    user.create(r.SECRET, owned("free", reference))
    with pytest.raises(errors.Forbidden, match="cannot set blockOwnerDeletion"):
        user.create(r.SECRET, owned("held", blocking))
    with pytest.raises(errors.Forbidden, match="cannot set an ownerRef on a resource you can't delete"):
        user.patch(r.SECRET, "free", namespace, {"metadata": {"ownerReferences": None}})
    user.patch(r.SECRET, "free", namespace, {"metadata": {"labels": {"still": "free"}}})

    holding = {"apiGroups": [""], "resources": ["configmaps/finalizers"], "verbs": ["update"]}
    deleting = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["delete"]}
    other = grant(side, namespace, "two", [writing, holding, deleting])
    other.create(r.SECRET, owned("held", blocking))
    unserved = {**blocking, "apiVersion": "v2"}
    with pytest.raises(errors.Forbidden, match='no matches for kind "ConfigMap" in version "v2"'):
        other.create(r.SECRET, owned("of-another-version", unserved))
    other.create(r.SECRET, owned("of-another-version", {**unserved, "blockOwnerDeletion": False}))
    other.patch(r.SECRET, "free", namespace, {"metadata": {"ownerReferences": [blocking]}})
