"""What follows from a deletion: dependents, namespaces, volumes."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object, Resource
from tests.contract.kubernetes.sides import Side, an_object, new_namespace

HELD: dict[str, Any] = {"finalizers": ["a.example/held"]}
NOBODY = "00000000-0000-0000-0000-000000000000"


def reference(owner: Object, **more: Any) -> Object:
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        **more,
    }


def make(side: Side, namespace: str, name: str, *owners: Object, resource: Resource = r.CONFIG_MAP, **meta: Any) -> Any:
    metadata = {"ownerReferences": list(owners), **meta} if owners else meta
    parts = {"spec": {"host": "a.example", "to": {"kind": "Service", "name": "a"}}} if resource is r.ROUTE else {}
    return side.admin.create(resource, an_object(resource, name, namespace, metadata=metadata, **parts))


def gone(side: Side, namespace: str, *names: str, resource: Resource = r.CONFIG_MAP) -> bool:
    return not any(side.admin.find(resource, name, namespace) for name in names)


def test_background_takes_the_owner_first_and_then_all_that_it_owned(side: Side, namespace: str) -> None:
    owner = make(side, namespace, "owner", resource=r.ROUTE)
    child = make(side, namespace, "child", reference(owner))
    make(side, namespace, "grandchild", reference(child))
    make(side, namespace, "stranger")
    side.admin.delete(r.ROUTE, "owner", namespace)
    assert gone(side, namespace, "owner", resource=r.ROUTE)
    side.eventually(lambda: gone(side, namespace, "child", "grandchild"), "dependents are gone")
    assert not gone(side, namespace, "stranger")


def test_foreground_waits_for_dependents_that_block(side: Side, namespace: str) -> None:
    owner = make(side, namespace, "owner")
    make(side, namespace, "blocks", reference(owner, blockOwnerDeletion=True), **HELD)
    make(side, namespace, "child", reference(owner))
    side.admin.delete(r.CONFIG_MAP, "owner", namespace, propagation="Foreground")
    metadata = side.admin.get(r.CONFIG_MAP, "owner", namespace)["metadata"]
    assert metadata["finalizers"] == ["foregroundDeletion"]
    assert "deletionTimestamp" in metadata
    side.eventually(lambda: gone(side, namespace, "child"), "the dependent that blocks nothing is gone")
    blocking = side.eventually(lambda: doomed(side, namespace, "blocks"), "the blocking dependent is deleted")
    assert blocking is not None
    assert blocking["metadata"]["finalizers"] == ["a.example/held"]
    assert not gone(side, namespace, "owner")
    side.admin.patch(r.CONFIG_MAP, "blocks", namespace, {"metadata": {"finalizers": None}})
    side.eventually(lambda: gone(side, namespace, "owner", "blocks"), "the owner follows its dependents")


def doomed(side: Side, namespace: str, name: str) -> Object | None:
    found = side.admin.get(r.CONFIG_MAP, name, namespace)
    return found if "deletionTimestamp" in found["metadata"] else None


def test_orphan_leaves_dependents_without_their_owner(side: Side, namespace: str) -> None:
    owner = make(side, namespace, "owner")
    make(side, namespace, "child", reference(owner))
    side.admin.delete(r.CONFIG_MAP, "owner", namespace, propagation="Orphan")
    side.eventually(lambda: gone(side, namespace, "owner"), "the owner is gone")
    assert "ownerReferences" not in side.admin.get(r.CONFIG_MAP, "child", namespace)["metadata"]


@pytest.mark.parametrize("resource", [r.CONFIG_MAP, r.ROUTE], ids=str)
def test_an_owner_that_is_not_there_by_its_uid_dooms_its_dependent(
    side: Side, namespace: str, resource: Resource
) -> None:
    """Rule B2: what is restored with the UIDs of the other cluster is collected."""
    owner = make(side, namespace, "owner")
    stale = {**reference(owner), "uid": NOBODY}
    make(side, namespace, "child", stale, resource=resource)
    side.eventually(lambda: gone(side, namespace, "child", resource=resource), "the dependent is collected")


def test_one_owner_that_is_left_is_enough(side: Side, namespace: str) -> None:
    first, second = make(side, namespace, "first"), make(side, namespace, "second")
    make(side, namespace, "child", reference(first), reference(second))
    side.admin.delete(r.CONFIG_MAP, "first", namespace)

    def owners() -> list[str]:
        references = side.admin.get(r.CONFIG_MAP, "child", namespace)["metadata"]["ownerReferences"]
        return [found["name"] for found in references]

    side.eventually(lambda: owners() == ["second"], "the reference to what is gone is taken away")


def test_an_owner_of_a_kind_that_nobody_serves_keeps_its_dependent(side: Side, namespace: str) -> None:
    strange = {"apiVersion": "example.org/v1", "kind": "Thing", "name": "a", "uid": NOBODY}
    make(side, namespace, "kept", strange)
    owner = make(side, namespace, "owner")
    make(side, namespace, "child", reference(owner))
    side.admin.delete(r.CONFIG_MAP, "owner", namespace)
    side.eventually(lambda: gone(side, namespace, "child"), "the collector has been round")
    assert not gone(side, namespace, "kept")


def test_an_owner_of_another_namespace_is_none(side: Side, namespace: str) -> None:
    owner = make(side, new_namespace(side), "owner")
    make(side, namespace, "child", reference(owner))
    side.eventually(lambda: gone(side, namespace, "child"), "the dependent is collected")


def test_a_namespace_is_furnished_and_goes_with_all_that_is_in_it(side: Side, namespace: str) -> None:
    side.eventually(lambda: side.admin.find(r.SERVICE_ACCOUNT, "default", namespace), "a default service account")
    side.eventually(lambda: side.admin.find(r.CONFIG_MAP, "kube-root-ca.crt", namespace), "the cluster's authority")
    space = side.admin.get(r.NAMESPACE, namespace)
    assert space["spec"] == {"finalizers": ["kubernetes"]}
    assert space["status"] == {"phase": "Active"}
    assert space["metadata"]["labels"] == {"kubernetes.io/metadata.name": namespace}
    make(side, namespace, "a")
    make(side, namespace, "b", resource=r.ROUTE)
    side.admin.delete(r.NAMESPACE, namespace)
    side.eventually(lambda: side.admin.find(r.NAMESPACE, namespace) is None, "the namespace is gone")
    assert side.admin.list(r.ROUTE, namespace).items == ()
    with pytest.raises(errors.NotFound):
        side.admin.create(r.CONFIG_MAP, an_object(r.CONFIG_MAP, "a", namespace))


def test_a_namespace_that_goes_takes_nothing_in_and_waits_for_finalizers(side: Side, namespace: str) -> None:
    """Rule F4: it hangs on the finalizers of what is in it."""
    make(side, namespace, "held", resource=r.ROUTE, **HELD)
    side.admin.delete(r.NAMESPACE, namespace)
    space = side.admin.get(r.NAMESPACE, namespace)
    assert space["status"]["phase"] == "Terminating"
    assert "deletionTimestamp" in space["metadata"]
    with pytest.raises(errors.KubernetesError, match="because it is being terminated") as refused:
        make(side, namespace, "late")
    assert type(refused.value) is errors.KubernetesError  # not Forbidden: no permission would help

    def held() -> bool:
        found = side.admin.find(r.ROUTE, "held", namespace)
        return found is not None and "deletionTimestamp" in found["metadata"]

    side.eventually(held, "its content is deleted")
    side.admin.patch(r.NAMESPACE, namespace, None, {"metadata": {"labels": {"a": "b"}}})
    side.admin.patch(r.ROUTE, "held", namespace, {"metadata": {"finalizers": None}})
    side.eventually(lambda: side.admin.find(r.NAMESPACE, namespace) is None, "the namespace is gone")


@pytest.mark.parametrize("name", ["default", "kube-system"])
def test_namespaces_of_the_system_stay(side: Side, name: str) -> None:
    with pytest.raises(errors.Forbidden, match="this namespace may not be deleted"):
        side.admin.delete(r.NAMESPACE, name)


def test_a_claim_waits_for_the_pod_that_uses_it(side: Side, namespace: str) -> None:
    side.eventually(lambda: side.admin.find(r.SERVICE_ACCOUNT, "default", namespace), "a default service account")
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    side.admin.create(r.PERSISTENT_VOLUME_CLAIM, an_object(r.PERSISTENT_VOLUME_CLAIM, "data", namespace, spec=storage))
    spec = {
        "nodeName": "nowhere",
        "containers": [{"name": "a", "image": "image:1"}],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    side.admin.create(r.POD, an_object(r.POD, "user", namespace, spec=spec))
    side.eventually(lambda: finalizers(side, namespace) == ["kubernetes.io/pvc-protection"], "the claim is protected")
    side.admin.delete(r.PERSISTENT_VOLUME_CLAIM, "data", namespace)
    assert "deletionTimestamp" in side.admin.get(r.PERSISTENT_VOLUME_CLAIM, "data", namespace)["metadata"]
    side.admin.delete(r.POD, "user", namespace, grace_seconds=0)
    side.eventually(lambda: side.admin.find(r.PERSISTENT_VOLUME_CLAIM, "data", namespace) is None, "the claim is gone")


def finalizers(side: Side, namespace: str) -> list[str]:
    metadata = side.admin.get(r.PERSISTENT_VOLUME_CLAIM, "data", namespace)["metadata"]
    return metadata.get("finalizers") or []
