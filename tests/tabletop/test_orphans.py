"""A Deployment is deleted and its pods stay (`kubectl delete --cascade=orphan`): a controller without a Deployment acts
like any other, so that nothing is deleted while it runs."""

from __future__ import annotations

from typing import Any

from hcp_dr.errors import MachineUnsafe
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes
from hcp_dr_lab.tabletop.controllers import REPLICA_SET
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_dangers import just_before, stopped
from tests.tabletop.test_fence_watch import OWN

OPERATOR = ("operator", "hypershift")


def orphan_the_operator(cluster: Kubernetes) -> dict[str, Any]:
    """Without its Deployment, which is returned."""
    deployment = cluster.get(r.DEPLOYMENT, *OPERATOR)
    cluster.delete(r.DEPLOYMENT, *OPERATOR, propagation="Orphan")
    return deployment


def clean_up(here: Scene, cluster: Kubernetes, deployment: dict[str, Any]) -> None:
    """An administrator deletes the ReplicaSet that is left, with its pods, and creates a stopped Deployment."""
    for item in cluster.list(REPLICA_SET, "hypershift").items:
        if item["metadata"]["name"].startswith("operator-"):
            cluster.delete(REPLICA_SET, item["metadata"]["name"], "hypershift")
    metadata = {key: deployment["metadata"][key] for key in ("name", "namespace")}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
    cluster.create(r.DEPLOYMENT, {**body, "spec": {**deployment["spec"], "replicas": 0}})
    here.world.clock.spend(60)


def created(cluster: Kubernetes, pod: dict[str, Any]) -> None:
    cluster.create(r.POD, pod)


def exists(here: Scene, side: int) -> bool:
    return here.world.sides[side].client().find(r.HOSTED_CLUSTER, "shop", "clusters") is not None


def test_nothing_is_deleted_on_the_source_while_its_operator_runs_without_a_deployment() -> None:
    here = scene()
    source = here.world.sides[0].client(manager="somebody")
    kept: list[dict[str, Any]] = []
    just_before(here, "teardown.stop_control_plane", lambda: kept.append(orphan_the_operator(source)))
    ending = here.operator.relocate()
    assert isinstance(ending.error, MachineUnsafe)
    assert "without a Deployment" in ending.error.what
    assert exists(here, 0)
    clean_up(here, source, kept[0])
    assert here.operator.resume().error is None
    assert not exists(here, 0)
    verdict = here.verdict()
    assert (verdict.lost, verdict.split_brain, verdict.instances_terminated) == ((), False, ())


def test_nothing_is_deleted_while_a_bare_pod_of_a_machine_controller_runs() -> None:
    here = scene()
    source = here.world.sides[0].client(manager="somebody")
    containers = [{"name": "manager", "image": "registry.example/capi-provider", "command": ["sleep", "infinity"]}]
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"serviceAccountName": "capi-provider", "containers": containers}}
    metadata = {"name": "by-hand", "namespace": OWN}
    just_before(here, "teardown.node_pools", lambda: created(source, {**pod, "metadata": metadata}))
    ending = here.operator.relocate()
    assert isinstance(ending.error, MachineUnsafe)
    assert f"Pod {OWN}/by-hand without a Deployment" in ending.error.what
    assert source.list(r.NODE_POOL, "clusters").items
    source.delete(r.POD, "by-hand", OWN)
    here.world.clock.spend(60)
    assert here.operator.resume().error is None
    assert not exists(here, 0)


def test_nothing_is_deleted_on_the_destination_by_an_abort() -> None:
    here = stopped("restore.start_control_plane")
    there = here.world.sides[1].client(manager="somebody")
    deployment = orphan_the_operator(there)
    ending = here.operator.abort()
    assert isinstance(ending.error, MachineUnsafe)
    assert "without a Deployment" in ending.error.what
    assert exists(here, 1)
    clean_up(here, there, deployment)
    assert here.operator.resume().error is None
    assert not exists(here, 1)
