"""What a NodePool becomes, and what makes it roll or reboot its machines: tuning, core pieces, another build."""

from __future__ import annotations

import copy

import pytest

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.hosted.cluster import Options, Pool
from hcp_dr_lab.standin import autoscaler, in_place_upgrader, machine_config
from hcp_dr_lab.standin.change import RebootNode
from hcp_dr_lab.standin.pause import PAUSED
from hcp_dr_lab.standin.shape import annotation
from tests.unit.lab.standin.test_machines import moved, stop
from tests.unit.lab.standin.world import NAMES, PLANE, World, standing

POOL = NAMES.node_pool
IN_PLACE = Options(pools=(Pool(2, upgrade="InPlace"),))


def updating(world: World) -> str:
    pool = world.get(r.NODE_POOL, POOL, "clusters")
    (told,) = (entry["status"] for entry in pool["status"]["conditions"] if entry["type"] == "UpdatingConfig")
    return str(told)


def pause(world: World, until: str | None = "true") -> None:
    world.patch(r.NODE_POOL, POOL, "clusters", {"spec": {"pausedUntil": until}})
    world.settle()


def of_an_older_build(options: Options | None = None) -> World:
    """A pool that was there before operators marked pools for canonical images: it uses the mirrors."""
    world = standing(options)
    world.patch(r.NODE_POOL, POOL, "clusters", {"metadata": {"annotations": {names.CANONICAL_IMAGES: None}}})
    settle_with_nodes(world)
    world.done.clear()
    return world


def settle_with_nodes(world: World) -> None:
    """New machines join, old ones leave, until nobody wants anything more."""
    for _ in range(6):
        world.settle()
        world.join_nodes()


def test_an_in_place_pool_is_a_machine_set_that_nothing_is_above() -> None:
    world = standing(IN_PLACE)
    assert not world.all(r.MACHINE_DEPLOYMENT)
    found = world.only(r.MACHINE_SET)
    assert found["metadata"]["name"] == POOL
    assert [owner["kind"] for owner in found["metadata"]["ownerReferences"]] == ["Cluster"]
    assert world.get(r.NODE_POOL, POOL, "clusters")["status"]["version"] == "4.20.8"
    assert len(world.instances) == 2


def test_the_pause_of_an_in_place_pool_reaches_its_machine_set_only() -> None:
    world = standing(IN_PLACE)
    pause(world)
    assert annotation(world.only(r.MACHINE_SET), PAUSED) == "true"
    assert all(annotation(item, PAUSED) is None for item in world.all(r.MACHINE))
    pause(world, None)
    assert annotation(world.only(r.MACHINE_SET), PAUSED) is None


def test_another_configuration_reboots_the_machines_of_an_in_place_pool_one_by_one() -> None:
    world = standing(IN_PLACE)
    before = set(world.instances)
    world.patch(r.NODE_POOL, POOL, "clusters", {"metadata": {"annotations": {names.HAPROXY_IMAGE: "other:1"}}})
    world.settle()
    assert set(world.instances) == before
    assert {change.instance_id for change in world.done if isinstance(change, RebootNode)} == before
    found = world.only(r.MACHINE_SET)
    assert annotation(found, in_place_upgrader.CURRENT) == annotation(found, in_place_upgrader.TARGET)
    assert updating(world) == "False"


def test_an_upgrade_under_way_goes_on_although_everything_is_paused() -> None:
    world = standing(IN_PLACE)
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "true"}})
    world.settle()
    stop(world, in_place_upgrader.NAME)
    world.patch(r.NODE_POOL, POOL, "clusters", {"metadata": {"annotations": {names.HAPROXY_IMAGE: "other:1"}}})
    world.settle()
    assert not [change for change in world.done if isinstance(change, RebootNode)]
    pause(world)
    world.patch(r.DEPLOYMENT, in_place_upgrader.NAME, PLANE, {"spec": {"replicas": 1}})
    world.settle()
    assert len([change for change in world.done if isinstance(change, RebootNode)]) == 2


def test_a_paused_in_place_pool_starts_no_upgrade() -> None:
    world = standing(IN_PLACE)
    pause(world)
    world.patch(r.NODE_POOL, POOL, "clusters", {"metadata": {"annotations": {names.HAPROXY_IMAGE: "other:1"}}})
    world.settle()
    assert updating(world) == "True"
    assert not [change for change in world.done if isinstance(change, RebootNode)]


def test_in_place_machines_with_their_links_are_adopted() -> None:
    source = standing(IN_PLACE)
    before = dict(source.instances)
    world = moved(source)
    world.settle()
    assert world.instances == before
    assert not [change for change in world.done if isinstance(change, RebootNode)]


def test_a_pool_of_no_machines_stands() -> None:
    world = standing(Options(pools=(Pool(0),)))
    pool = world.get(r.NODE_POOL, POOL, "clusters")
    assert pool["status"]["replicas"] == 0
    assert pool["status"]["version"] == "4.20.8"
    assert world.only(r.MACHINE_DEPLOYMENT)["spec"]["replicas"] == 0
    assert not world.instances


@pytest.mark.parametrize(
    "container",
    [
        {"image": "docker.io/hcp-dr-lab/another-build:1"},
        {"args": ["operator", "--registry-overrides=quay.io/openshift=elsewhere.example/openshift"]},
        {"args": ["operator"]},
    ],
    ids=["another image", "other overrides", "no overrides"],
)
def test_an_operator_of_another_build_rolls_a_pool_once_it_is_not_paused(container: Object) -> None:
    world = of_an_older_build()
    before = set(world.instances)
    pause(world)
    operator = world.get(r.DEPLOYMENT, names.OPERATOR, names.OPERATOR_NAMESPACE)
    operator["spec"]["template"]["spec"]["containers"][0] |= container
    world.settle()
    assert updating(world) == "True"
    assert set(world.instances) == before
    pause(world, None)
    settle_with_nodes(world)
    assert len(world.instances) == 2
    assert not before & set(world.instances)


def test_an_operator_of_the_same_build_rolls_nothing() -> None:
    world = of_an_older_build()
    before = set(world.instances)
    pause(world)
    assert updating(world) == "False"
    pause(world, None)
    settle_with_nodes(world)
    assert set(world.instances) == before


def test_a_pool_that_lost_its_version_takes_other_images_although_paused() -> None:
    """NP/nodepool_controller.go:1191-1202: the annotation is written before the pause is looked at (rule A8)."""
    world = of_an_older_build()
    before = set(world.instances)
    pause(world)
    world.get(r.NODE_POOL, POOL, "clusters")["status"].pop("version")
    world.settle()
    assert annotation(world.get(r.NODE_POOL, POOL, "clusters"), names.CANONICAL_IMAGES) == "true"
    assert updating(world) == "True"
    assert set(world.instances) == before


def test_a_pinned_image_spares_a_pool_that_lost_its_version() -> None:
    world = of_an_older_build()
    pinned = "mirror.rehearsal.example/openshift/haproxy-router:4.20.8"
    world.patch(r.NODE_POOL, POOL, "clusters", {"metadata": {"annotations": {names.HAPROXY_IMAGE: pinned}}})
    pause(world)
    assert updating(world) == "False"
    world.get(r.NODE_POOL, POOL, "clusters")["status"].pop("version")
    world.settle()
    assert updating(world) == "False"


def tuned(world: World) -> Object:
    """As the node tuning operator makes it from what asks for kernel arguments."""
    labels = {machine_config.TUNED_RESULT: "true", machine_config.POOL: POOL}
    metadata = {"name": f"nto-mc-{POOL}", "namespace": PLANE, "labels": labels}
    return world.create(r.CONFIG_MAP, {"metadata": metadata, "data": {"config": "kernelArguments: [nohz=on]"}})


def test_a_tuning_piece_that_is_missing_rolls_the_pool_silently() -> None:
    world = standing()
    tuned(world)
    settle_with_nodes(world)
    before = set(world.instances)
    pause(world)
    assert updating(world) == "False"
    world.delete(r.CONFIG_MAP, f"nto-mc-{POOL}", PLANE)
    world.settle()
    assert updating(world) == "True"
    pause(world, None)
    settle_with_nodes(world)
    assert not before & set(world.instances)


def test_another_pools_tuning_is_none_of_its_business() -> None:
    world = standing()
    tuned(world)["metadata"]["labels"][machine_config.POOL] = "another"
    pause(world)
    assert updating(world) == "False"


@pytest.mark.parametrize(("tuning", "made"), [("[bootloader]\ncmdline=nohz=on\n", True), ("[sysctl]\n", False)])
def test_only_tuning_of_the_kernels_arguments_becomes_configuration(tuning: str, made: bool) -> None:  # noqa: FBT001
    world = standing()
    metadata = {"name": "quiet", "namespace": "clusters"}
    world.create(r.CONFIG_MAP, {"metadata": metadata, "data": {"tuning": tuning}})
    world.patch(r.NODE_POOL, POOL, "clusters", {"spec": {"tuningConfig": [{"name": "quiet"}]}})
    settle_with_nodes(world)
    assert ((PLANE, f"nto-mc-{POOL}") in world.objects[r.CONFIG_MAP]) is made


def test_without_a_core_piece_no_pool_goes_on() -> None:
    world = standing()
    stop(world, names.OPERATOR, names.OPERATOR_NAMESPACE)
    stop(world, names.CONTROL_PLANE_OPERATOR)
    world.settle()
    kept = copy.deepcopy(world.get(r.CONFIG_MAP, "ignition-config-fips", PLANE))
    world.delete(r.CONFIG_MAP, "ignition-config-fips", PLANE)
    change = {"spec": {"platform": {"aws": {"instanceType": "m6i.xlarge"}}}}
    world.patch(r.NODE_POOL, POOL, "clusters", change)
    before = set(world.instances)
    world.patch(r.DEPLOYMENT, names.OPERATOR, names.OPERATOR_NAMESPACE, {"spec": {"replicas": 1}})
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "true"}})
    settle_with_nodes(world)
    assert set(world.instances) == before
    world.create(r.CONFIG_MAP, kept)
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": None}})
    settle_with_nodes(world)
    assert not before & set(world.instances)


def test_bounds_of_a_pool_are_its_machine_deployments() -> None:
    world = standing()
    change = {"spec": {"replicas": None, "autoScaling": {"min": 3, "max": 5}}}
    world.patch(r.NODE_POOL, POOL, "clusters", change)
    settle_with_nodes(world)
    found = world.only(r.MACHINE_DEPLOYMENT)
    assert (annotation(found, autoscaler.MIN_SIZE), annotation(found, autoscaler.MAX_SIZE)) == ("3", "5")
    assert len(world.instances) == 3
    world.patch(r.MACHINE_DEPLOYMENT, POOL, PLANE, {"spec": {"replicas": 4}})
    settle_with_nodes(world)
    assert len(world.instances) == 4
