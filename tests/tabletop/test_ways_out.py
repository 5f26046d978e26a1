"""What another client takes away in the middle, and the way out that is printed."""

from __future__ import annotations

import pytest

from hcp_dr.errors import FenceBroken, NotOurs, SnapshotDoubtful, TimedOut
from hcp_dr.kube import resources as r
from hcp_dr_lab.ground.layout import BUCKET
from tests.tabletop.scene import Scene
from tests.tabletop.test_dangers import stopped


def delete_the_nonce(here: Scene) -> None:
    here.world.hosted_client().delete(r.CONFIG_MAP, "hcp-dr-relocation", "default")


def lift_the_pause(here: Scene) -> None:
    unpaused = {"spec": {"pausedUntil": None}}
    here.world.sides[0].client(manager="gitops").patch(r.HOSTED_CLUSTER, "shop", "clusters", unpaused)
    here.world.clock.spend(20)


def delete_the_snapshot(here: Scene) -> None:
    storage = here.world.cloud.storage
    [key] = [key for key in storage.keys_of(BUCKET, "hcp-dr/") if "/shop-memory" not in key and key.endswith(".db")][
        -1:
    ]
    storage.delete(BUCKET, key)


@pytest.mark.parametrize("step", ["restore.machines", "verify.await_nodes", "teardown.cluster"])
def test_a_nonce_that_is_deleted(step: str) -> None:
    """Before the fence it is written again. Once the content was proven, the teardown does not end halfway."""
    here = stopped(step)
    delete_the_nonce(here)
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("step", ["restore.machines", "backup.fence"])
def test_a_pause_that_is_lifted_before_the_fence_is_set_again_by_the_printed_command(step: str) -> None:
    here = stopped(step)
    lift_the_pause(here)
    ending = here.operator.resume()
    assert isinstance(ending.error, FenceBroken)
    assert "`hcp-dr resume`" in ending.error.next
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


@pytest.mark.parametrize("step", ["verify.await_nodes", "finish.oidc_documents"])
def test_a_hosted_cluster_that_is_deleted_on_the_destination_is_named(step: str) -> None:
    """Also when the source has none any more."""
    here = stopped(step)
    here.world.sides[1].client(manager="somebody").delete(r.HOSTED_CLUSTER, "shop", "clusters")
    here.world.clock.spend(120)
    error = here.operator.resume().error
    assert isinstance(error, NotOurs)
    assert "on the destination" in error.what


def test_an_error_before_the_point_of_no_return_names_the_way_back() -> None:
    here = stopped("restore.hosted_cluster")
    delete_the_snapshot(here)
    ending = here.operator.resume()
    assert isinstance(ending.error, SnapshotDoubtful)
    assert "`hcp-dr abort`" in ending.error.next
    assert here.operator.abort().error is None
    verdict = here.verdict()
    assert (verdict.lost, verdict.split_brain, verdict.instances_terminated) == ((), False, ())


def test_an_abort_without_the_routes_of_the_source_says_how_they_come_back() -> None:
    """Somebody goes on with the documented commands, which delete them, and then calls it off."""
    here = stopped("backup.delete_routes")
    source = here.world.sides[0].client(manager="somebody")
    for route in source.list(r.ROUTE, "clusters-shop").items:
        source.delete(r.ROUTE, route["metadata"]["name"], "clusters-shop")
    error = here.operator.abort().error
    assert isinstance(error, TimedOut)
    assert "patch hostedcluster shop --type merge" in error.next
    assert "scale deployment/control-plane-operator --replicas=1" in error.next
    lift_the_pause(here)
    source.patch(r.DEPLOYMENT, "control-plane-operator", "clusters-shop", {"spec": {"replicas": 1}})
    here.world.clock.spend(60)
    assert here.operator.resume().error is None
    assert here.verdict().lost == ()
