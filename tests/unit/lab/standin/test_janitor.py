"""The secret janitor: what it removes, paused or not."""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from tests.unit.lab.standin.world import NAMES, PLANE, World, standing

POOL = f"clusters/{NAMES.node_pool}"


def ignition_secrets(world: World) -> list[str]:
    return sorted(
        item["metadata"]["name"]
        for item in world.all(r.SECRET)
        if item["metadata"]["name"].startswith(("token-", "user-data-"))
    )


def test_secrets_before_their_pool_are_lost() -> None:
    world = World()
    for name in ("token-shop-workers-1", "user-data-shop-workers-1"):
        world.create(r.SECRET, secret(name, POOL))
    world.settle()
    assert ignition_secrets(world) == []


def test_secrets_of_a_pool_without_cluster_are_lost() -> None:
    world = World()
    world.create_hosted_cluster()
    world.patch(r.NODE_POOL, NAMES.node_pool, "clusters", {"spec": {"pausedUntil": "true"}})
    world.delete(r.HOSTED_CLUSTER, "shop", "clusters")
    world.create(r.SECRET, secret("token-shop-workers-1", POOL))
    world.settle()
    assert ignition_secrets(world) == []


def test_the_present_ones_stay_and_those_of_another_configuration_go() -> None:
    world = standing()
    present = ignition_secrets(world)
    assert len(present) == 2
    world.create(r.SECRET, secret("user-data-shop-workers-old", POOL))
    world.create(r.SECRET, secret("token-shop-workers-old", POOL))
    world.settle()
    assert ignition_secrets(world) == sorted([*present, "token-shop-workers-old"])
    expiring = world.get(r.SECRET, "token-shop-workers-old", PLANE)
    assert any("expiration" in key for key in expiring["metadata"]["annotations"])


def test_other_secrets_are_none_of_its_business() -> None:
    world = World()
    world.create(r.SECRET, secret("something", POOL))
    world.create(r.SECRET, {"metadata": {"name": "token-of-somebody", "namespace": PLANE}})
    world.settle()
    assert len(world.all(r.SECRET)) == 2


def secret(name: str, pool: str) -> Object:
    return {"metadata": {"name": name, "namespace": PLANE, "annotations": {names.NODE_POOL: pool}}, "data": {}}
