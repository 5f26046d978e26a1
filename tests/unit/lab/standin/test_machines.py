"""What costs a worker its life, and what spares it."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.pause import PAUSED
from tests.unit.lab.standin.world import NAMES, PLANE, World, standing

CHAIN = (r.MACHINE_DEPLOYMENT, r.MACHINE_SET, r.MACHINE, r.AWS_MACHINE)


def carried(item: Object, owner: Object | None) -> Object:
    """As a restore would create it: no server-side fields, no finalizers, owned by the object of the new cluster."""
    made = copy.deepcopy(item)
    del made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    made["metadata"].pop("finalizers", None)
    made["metadata"].pop("ownerReferences", None)
    made.pop("status", None)
    if owner is not None:
        controller = owner["kind"] != "Cluster"
        reference = {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "controller": controller,
        }
        made["metadata"]["ownerReferences"] = [reference]
    return made


def moved(source: World, *, stale: bool = False, without_provider_id: bool = False) -> World:
    """The source's machines on another management cluster, the operators of the source gone."""
    world = World(source.instances, source.fabric)
    for item in source.all(r.SECRET):
        if not item["metadata"]["name"].startswith(("token-", "user-data-")):
            world.create(r.SECRET, carried(item, None))
    for resource in (r.AWS_CLUSTER, r.AWS_MACHINE_TEMPLATE):
        for item in source.all(resource):
            world.create(resource, carried(item, None))
    cluster = world.create(r.CLUSTER, carried(source.only(r.CLUSTER), None))
    above = [
        world.create(r.MACHINE_DEPLOYMENT, carried(item, cluster)) for item in source.all(r.MACHINE_DEPLOYMENT)
    ] or [cluster]
    machine_set = world.create(r.MACHINE_SET, carried(source.only(r.MACHINE_SET), above[0]))
    owner = source.only(r.MACHINE_SET) if stale else machine_set
    for item in source.all(r.MACHINE):
        machine = world.create(r.MACHINE, carried(item, owner))
        below = carried(source.get(r.AWS_MACHINE, item["metadata"]["name"], PLANE), machine)
        if without_provider_id:
            del below["spec"]["providerID"]
        world.create(r.AWS_MACHINE, below)
    for resource, name in ((r.SECRET, "registry-login-for-shop"), (r.SECRET, "node-access-for-shop")):
        world.create(resource, carried(source.get(resource, name, "clusters"), None))
    hosted = world.create(r.HOSTED_CLUSTER, carried(source.get(r.HOSTED_CLUSTER, "shop", "clusters"), None))
    pool = carried(source.get(r.NODE_POOL, NAMES.node_pool, "clusters"), hosted)
    world.create(r.NODE_POOL, pool | {"status": source.get(r.NODE_POOL, NAMES.node_pool, "clusters")["status"]})
    for item in source.all(r.SECRET):
        if item["metadata"]["name"].startswith(("token-", "user-data-")):
            world.create(r.SECRET, carried(item, None))
    world.hosted_nodes = source.hosted_nodes
    return world


def test_machines_with_their_links_and_provider_ids_are_adopted() -> None:
    source = standing()
    before = dict(source.instances)
    world = moved(source)
    world.settle()
    assert world.instances == before
    assert {item["metadata"]["name"] for item in world.all(r.MACHINE)} == {
        item["metadata"]["name"] for item in source.all(r.MACHINE)
    }
    assert {item["status"]["phase"] for item in world.all(r.MACHINE)} == {"Running"}
    assert len(world.all(r.MACHINE_SET)) == 1


def test_machines_of_a_stale_owner_do_not_count() -> None:
    """They are collected before anybody put a finalizer on them: their instances run on, and belong to nobody."""
    source = standing()
    before = set(source.instances)
    world = moved(source, stale=True)
    world.settle()
    assert len(set(world.instances) - before) == 2
    assert len(world.all(r.MACHINE)) == 2


def test_a_machine_whose_owner_goes_stale_under_its_controllers_is_ended() -> None:
    world = standing()
    machine = world.all(r.MACHINE)[0]
    instance_id = machine["spec"]["providerID"].rsplit("/", 1)[-1]
    machine["metadata"]["ownerReferences"][0]["uid"] = "of another cluster"
    world.settle()
    assert instance_id not in world.instances
    assert len(world.instances) == 2


def test_a_machine_without_provider_id_finds_its_instance_by_name() -> None:
    source = standing()
    before = dict(source.instances)
    world = moved(source, without_provider_id=True)
    world.settle()
    assert world.instances == before


def test_a_machine_without_provider_id_gets_another_instance_if_the_name_is_another() -> None:
    source = standing()
    for key, instance in source.instances.items():
        source.instances[key] = replace(instance, tags={**instance.tags, "Name": "renamed"})
    world = moved(source, without_provider_id=True)
    world.settle()
    assert len(world.instances) == 4


def test_a_machine_without_owner_is_adopted() -> None:
    world = standing()
    machine = world.all(r.MACHINE)[0]
    machine["metadata"]["ownerReferences"] = []
    world.settle()
    owners = [owner["kind"] for owner in machine["metadata"]["ownerReferences"]]
    assert "MachineSet" in owners
    assert len(world.instances) == 2


def test_a_deleted_aws_machine_costs_its_instance() -> None:
    world = standing()
    doomed = world.all(r.AWS_MACHINE)[0]
    world.delete(r.AWS_MACHINE, doomed["metadata"]["name"], PLANE)
    world.settle()
    assert doomed["spec"]["instanceID"] not in world.instances


def test_it_lives_while_no_provider_runs() -> None:
    world = standing()
    stop(world, names.OPERATOR, "hypershift")
    stop(world, names.CAPI_PROVIDER)
    doomed = world.all(r.AWS_MACHINE)[0]
    world.delete(r.AWS_MACHINE, doomed["metadata"]["name"], PLANE)
    world.settle()
    assert len(world.instances) == 2
    assert world.all(r.AWS_MACHINE)[0]["metadata"]["deletionTimestamp"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_pause_holds_a_deletion_back(whole: bool) -> None:  # noqa: FBT001
    world = standing()
    stop(world, names.OPERATOR, "hypershift")
    doomed = world.all(r.AWS_MACHINE)[0]
    name = doomed["metadata"]["name"]
    if whole:
        world.patch(r.CLUSTER, NAMES.infra_id, PLANE, {"spec": {"paused": True}})
    else:
        world.patch(r.AWS_MACHINE, name, PLANE, {"metadata": {"annotations": {PAUSED: ""}}})
    world.delete(r.AWS_MACHINE, name, PLANE)
    world.settle()
    assert len(world.instances) == 2
    world.patch(r.CLUSTER, NAMES.infra_id, PLANE, {"spec": {"paused": False}})
    world.patch(r.AWS_MACHINE, name, PLANE, {"metadata": {"annotations": {PAUSED: None}}})
    world.settle()
    assert doomed["spec"]["instanceID"] not in world.instances


def test_termination_protection_is_the_last_line() -> None:
    world = standing()
    world.protected = set(world.instances)
    world.delete(r.HOSTED_CLUSTER, "shop", "clusters")
    world.settle()
    assert len(world.instances) == 2
    assert world.refused
    assert len(world.all(r.AWS_MACHINE)) == 2


def test_another_template_rolls_the_pool() -> None:
    world = standing()
    before = set(world.instances)
    change = {"spec": {"platform": {"aws": {"instanceType": "m6i.xlarge"}}}}
    world.patch(r.NODE_POOL, NAMES.node_pool, "clusters", change)
    for _ in range(6):
        world.settle()
        world.join_nodes()
    assert len(world.instances) == 2
    assert not before & set(world.instances)


def test_machines_paused_one_by_one_stay_as_they_are() -> None:
    source = standing()
    world = moved(source, stale=True)
    for resource in CHAIN:
        for item in world.all(resource):
            item["metadata"].setdefault("annotations", {})[PAUSED] = "true"
            item["metadata"]["ownerReferences"] = []
    world.settle()
    assert set(world.instances) == set(source.instances)
    assert len(world.instances) == 2


def stop(world: World, name: str, namespace: str = PLANE) -> None:
    world.patch(r.DEPLOYMENT, name, namespace, {"spec": {"replicas": 0}})


def test_a_machine_that_waits_for_its_user_data_for_ever_does_not_stop_the_next_rollout() -> None:
    world = standing()
    before = set(world.instances)
    [deployment] = world.all(r.MACHINE_DEPLOYMENT)
    template = copy.deepcopy(deployment["spec"]["template"])
    stop(world, names.OPERATOR, names.OPERATOR_NAMESPACE)
    missing = {**template, "spec": {**template["spec"], "bootstrap": {"dataSecretName": "nobody-makes-it"}}}
    for wanted in (missing, template):
        world.patch(r.MACHINE_DEPLOYMENT, deployment["metadata"]["name"], PLANE, {"spec": {"template": wanted}})
        for _ in range(6):
            world.settle()
            world.join_nodes()
    assert len(world.all(r.MACHINE)) == 2
    assert set(world.instances) == before
