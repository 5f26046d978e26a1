"""Objects of others in the control plane namespace: named before anything begins, and never deleted with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hcp_dr.errors import CannotMigrate, NotOurs
from hcp_dr.hypershift.deletion.foreign import CHECK, UNSEEN_CHECK
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Resource
from hcp_dr_lab.hosted.shapes import Shape
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_dangers import just_before
from tests.tabletop.test_rights import restricted
from tests.tabletop.test_teardown import OWN

WIDGET = Resource("example.com", "v1", "widgets", "Widget")
CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
POD = {"containers": [{"name": "main", "image": "registry.example/main:1"}]}


def body(resource: Resource, name: str = "notes", **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": OWN}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **rest}


FOREIGN: dict[Resource, dict[str, Any]] = {
    r.SECRET: {"data": {}},
    r.CONFIG_MAP: {"data": {"a": "b"}},
    r.PERSISTENT_VOLUME_CLAIM: {"spec": CLAIM},
    r.SERVICE: {"spec": {"ports": [{"port": 80}]}},
    r.SERVICE_ACCOUNT: {},
    r.ROLE: {"rules": []},
    r.DEPLOYMENT: {
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "notes"}},
            "template": {"metadata": {"labels": {"app": "notes"}}, "spec": POD},
        }
    },
    WIDGET: {"spec": {}},
}
EVERY = pytest.mark.parametrize("resource", FOREIGN, ids=lambda resource: resource.kind)


def define_widgets(cluster: Kubernetes) -> None:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    cluster.create(
        r.CUSTOM_RESOURCE_DEFINITION,
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": str(WIDGET)},
            "spec": {
                "group": WIDGET.group,
                "scope": "Namespaced",
                "names": {"plural": WIDGET.plural, "singular": "widget", "kind": WIDGET.kind, "listKind": "WidgetList"},
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
            },
        },
    )


def somebody(here: Scene, side: int) -> Kubernetes:
    return here.world.sides[side].client(manager="kubectl-create")


def make(here: Scene, resource: Resource, side: int = 0) -> None:
    cluster = somebody(here, side)
    if resource is WIDGET:
        define_widgets(cluster)
        here.world.clock.spend(1)
    cluster.create(resource, body(resource, **FOREIGN[resource]))


def remains(here: Scene, resource: Resource, side: int = 0) -> bool:
    found = somebody(here, side).find(resource, "notes", OWN)
    return found is not None and "deletionTimestamp" not in found["metadata"]


def named(resource: Resource) -> str:
    return f"{resource.kind} notes"


@EVERY
def test_preflight_names_it_and_nothing_begins(resource: Resource) -> None:
    here = scene()
    make(here, resource)
    [check] = [check for check in here.operator.preflight() if check.name == CHECK]
    assert (check.verdict, check.acceptable) == ("blocked", True)
    assert check.seen == f"foreign objects in {OWN}: {named(resource)}"
    planned = {step.name: step for step in here.operator.plan("relocate")}
    assert all(named(resource) in planned[step].text for step in ("preflight.foreign", "teardown.leftovers"))
    assert isinstance(here.operator.relocate().error, CannotMigrate)


@EVERY
def test_one_that_comes_after_the_export_stops_the_deletion_of_the_namespace(resource: Resource) -> None:
    here = scene()
    just_before(here, "verify.await_nodes", lambda: make(here, resource))
    ending = here.operator.relocate()
    assert isinstance(ending.error, NotOurs)
    assert named(resource) in ending.error.what
    assert remains(here, resource)
    assert isinstance(here.operator.resume().error, NotOurs)
    assert remains(here, resource)
    somebody(here, 0).delete(resource, "notes", OWN)
    assert here.operator.resume().error is None
    verdict = here.verdict()
    assert (verdict.lost, verdict.split_brain, verdict.instances_terminated) == ((), False, ())


def test_only_what_was_accepted_goes_with_the_namespace() -> None:
    here = scene()
    make(here, r.CONFIG_MAP)
    just_before(here, "verify.await_nodes", lambda: make(here, r.PERSISTENT_VOLUME_CLAIM))
    ending = here.operator.relocate(reasons={CHECK: "notes of last week"})
    assert isinstance(ending.error, NotOurs)
    assert "PersistentVolumeClaim notes" in ending.error.what
    assert "ConfigMap" not in ending.error.what
    somebody(here, 0).delete(r.PERSISTENT_VOLUME_CLAIM, "notes", OWN)
    assert here.operator.resume().error is None
    assert not remains(here, r.CONFIG_MAP)


@EVERY
def test_an_abort_leaves_the_namespace_of_the_destination_for_it(resource: Resource) -> None:
    here = scene()

    def stop() -> None:
        make(here, resource, side=1)
        raise RuntimeError

    just_before(here, "restore.hosted_cluster", stop)
    with pytest.raises(RuntimeError):
        here.operator.relocate()
    here.world.hooks.clear()
    ending = here.operator.abort()
    assert ending.error is None
    assert remains(here, resource, side=1)
    assert any(named(resource) in check.seen for check in ending.checks if check.name == f"namespace.{OWN}")


def test_kinds_that_may_not_be_listed_are_told_and_not_taken_for_absent() -> None:
    here = restricted()
    make(here, WIDGET)
    [check] = [check for check in here.operator.preflight() if check.name == UNSEEN_CHECK]
    assert (check.verdict, check.acceptable) == ("unknown", True)
    assert check.seen == f"kinds that could not be listed in {OWN}: example.com (forbidden)"
    assert isinstance(here.operator.relocate().error, CannotMigrate)
    assert here.operator.relocate(reasons={UNSEEN_CHECK: "listed by an administrator"}).error is None


def test_kinds_that_come_later_and_may_not_be_listed_stop_the_deletion() -> None:
    here = restricted()
    just_before(here, "verify.await_nodes", lambda: make(here, WIDGET))
    ending = here.operator.relocate()
    assert isinstance(ending.error, NotOurs)
    assert "example.com (forbidden)" in ending.error.what
    assert remains(here, WIDGET)


def owned_by_the_control_plane(cluster: Kubernetes) -> dict[str, Any]:
    plane = cluster.get(r.HOSTED_CONTROL_PLANE, "shop", OWN)
    owner = {"apiVersion": plane["apiVersion"], "kind": plane["kind"], "name": "shop", "uid": plane["metadata"]["uid"]}
    return {"ownerReferences": [owner]}


OWN_OBJECTS: dict[str, Callable[[Kubernetes], dict[str, Any]]] = {
    "an owner in the control plane": owned_by_the_control_plane,
    "a label of HyperShift": lambda _: {"labels": {"hypershift.openshift.io/managed-by": "x"}},
    "an annotation of Cluster API": lambda _: {"annotations": {"cluster.x-k8s.io/cluster-name": "x"}},
}


@pytest.mark.parametrize("why", OWN_OBJECTS)
def test_an_object_of_the_control_plane_is_not_foreign(why: str) -> None:
    here = scene()
    cluster = somebody(here, 0)
    item = body(r.CONFIG_MAP)
    item["metadata"] |= OWN_OBJECTS[why](cluster)
    cluster.create(r.CONFIG_MAP, item)
    assert CHECK not in {check.name for check in here.operator.preflight() if check.verdict == "blocked"}


@pytest.mark.parametrize("shape", [(), *((shape,) for shape in Shape)], ids=lambda shape: "+".join(shape) or "plain")
def test_nothing_is_foreign_in_any_shape(shape: tuple[Shape, ...]) -> None:
    here = scene(*shape)
    [check] = [check for check in here.operator.preflight() if check.name == CHECK]
    assert check.verdict == "ok", check.seen
