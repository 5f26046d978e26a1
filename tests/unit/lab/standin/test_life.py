"""A hosted cluster's ordinary life, from its creation to its end."""

from __future__ import annotations

import base64

from hcp_dr.kube import resources as r
from hcp_dr_lab.ground import names
from hcp_dr_lab.hosted.cluster import Options, Pool
from hcp_dr_lab.standin.change import Create, TerminateInstance
from hcp_dr_lab.standin.shape import is_true
from tests.unit.lab.standin.world import NAMES, PLANE, World, standing


def test_a_created_cluster_comes_into_service() -> None:
    world = standing()
    hosted = world.get(r.HOSTED_CLUSTER, "shop", "clusters")
    assert is_true(hosted, "Available")
    assert hosted["status"]["controlPlaneEndpoint"] == {"host": NAMES.api_hostname, "port": 443}
    assert hosted["status"]["version"]["history"][0]["state"] == "Completed"
    handed_out = world.get(r.SECRET, "shop-admin-kubeconfig", "clusters")
    assert NAMES.api_hostname in base64.b64decode(handed_out["data"]["kubeconfig"]).decode()
    pool = world.get(r.NODE_POOL, NAMES.node_pool, "clusters")
    assert pool["status"]["replicas"] == 2
    assert pool["status"]["version"] == "4.20.8"
    assert {machine["status"]["phase"] for machine in world.all(r.MACHINE)} == {"Running"}


def test_machines_hang_on_their_owners() -> None:
    world = standing()
    cluster, deployment = world.only(r.CLUSTER), world.only(r.MACHINE_DEPLOYMENT)
    machine_set = world.only(r.MACHINE_SET)
    assert [owner["uid"] for owner in deployment["metadata"]["ownerReferences"]] == [cluster["metadata"]["uid"]]
    assert machine_set["metadata"]["ownerReferences"][0]["uid"] == deployment["metadata"]["uid"]
    by_name = {item["metadata"]["name"]: item for item in world.all(r.AWS_MACHINE)}
    for machine in world.all(r.MACHINE):
        assert machine["metadata"]["ownerReferences"][0]["uid"] == machine_set["metadata"]["uid"]
        below = by_name[machine["metadata"]["name"]]
        assert below["metadata"]["ownerReferences"][0]["uid"] == machine["metadata"]["uid"]
        assert below["spec"]["providerID"] == machine["spec"]["providerID"]


def test_several_pools_keep_their_machines_apart() -> None:
    world = World()
    world.create_hosted_cluster(Options(pools=(Pool(1), Pool(2, "more"))))
    world.settle()
    assert {item["metadata"]["name"]: item["status"]["replicas"] for item in world.all(r.MACHINE_DEPLOYMENT)} == {
        "shop-workers": 1,
        "shop-more": 2,
    }


def test_the_cluster_is_free_before_cluster_api_is_deployed() -> None:
    world = World()
    world.create_hosted_cluster()
    world.settle()
    made = [change.body for change in world.done if isinstance(change, Create)]
    order = [(body["kind"], body["metadata"]["name"]) for body in made]
    assert order.index(("Cluster", NAMES.infra_id)) < order.index(("Deployment", names.CLUSTER_API))


def test_scaling_a_pool_terminates_one_instance_only() -> None:
    world = standing()
    world.patch(r.NODE_POOL, NAMES.node_pool, "clusters", {"spec": {"replicas": 1}})
    world.settle()
    assert len(world.instances) == 1
    assert len(world.all(r.MACHINE)) == 1


def test_deletion_takes_everything_with_it() -> None:
    world = standing()
    world.delete(r.HOSTED_CLUSTER, "shop", "clusters")
    world.settle()
    assert world.instances == {}
    assert len([change for change in world.done if isinstance(change, TerminateInstance)]) == 2
    for resource in (r.HOSTED_CLUSTER, r.NODE_POOL):
        assert not world.all(resource, "clusters")
    for resource in (r.CLUSTER, r.MACHINE, r.AWS_MACHINE, r.HOSTED_CONTROL_PLANE):
        assert not world.all(resource)
    assert (None, PLANE) not in world.objects[r.NAMESPACE]
    assert not [name for _, name in world.objects[r.CLUSTER_ROLE_BINDING] if PLANE in name]
    assert (None, "hypershift-cluster-api") in world.objects[r.CLUSTER_ROLE]


def test_an_encrypted_cluster_gets_its_key() -> None:
    world = World()
    world.create_hosted_cluster(Options(encrypted=True))
    world.settle()
    key = world.get(r.SECRET, "etcd-key-for-shop", "clusters")["data"]["key"]
    config = world.get(r.SECRET, "kas-secret-encryption-config", PLANE)["data"]["config.yaml"]
    assert key in base64.b64decode(config).decode()
    server = world.get(r.DEPLOYMENT, "kube-apiserver", PLANE)["spec"]["template"]["spec"]["containers"][0]
    assert any(word.startswith("--encryption-provider-config=") for word in server["command"])
