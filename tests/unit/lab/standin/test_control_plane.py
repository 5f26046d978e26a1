"""Keys kept or made, the fence, the restore of etcd."""

from __future__ import annotations

import pytest

from hcp_dr.kube import resources as r
from hcp_dr_lab.ground import names, payload
from hcp_dr_lab.hosted.cluster import Options
from hcp_dr_lab.standin.change import Create, Patch
from hcp_dr_lab.standin.control_plane_operator import pki
from hcp_dr_lab.standin.shape import is_true
from tests.unit.lab.standin.test_machines import stop
from tests.unit.lab.standin.world import PLANE, World, standing

URL = "https://bucket.rehearsal.example/snapshot.db?signature=secret"


@pytest.mark.parametrize("name", [*pki.AUTHORITIES, pki.SIGNING_KEY])
def test_keys_that_are_there_are_kept(name: str) -> None:
    world = World()
    world.create_hosted_cluster()
    files = ("service-account.pub", "service-account.key") if name == pki.SIGNING_KEY else ("ca.crt", "ca.key")
    data = dict.fromkeys(files, "b2xk")
    world.create(r.SECRET, {"metadata": {"name": name, "namespace": PLANE}, "data": dict(data)})
    world.settle()
    kept = world.get(r.SECRET, name, PLANE)
    assert kept["data"] == data
    assert kept["metadata"]["ownerReferences"][0]["kind"] == "HostedControlPlane"


def test_an_authority_without_its_key_is_made_anew() -> None:
    world = standing()
    secret = world.get(r.SECRET, "root-ca", PLANE)
    before = dict(secret["data"])
    serving = dict(world.get(r.SECRET, "kas-server-crt", PLANE)["data"])
    del secret["data"]["ca.key"]
    world.settle()
    assert secret["data"]["ca.crt"] != before["ca.crt"]
    assert world.get(r.SECRET, "kas-server-crt", PLANE)["data"] != serving


def test_leaves_are_kept_with_their_authority() -> None:
    world = standing()
    before = {item["metadata"]["name"]: dict(item["data"]) for item in world.all(r.SECRET)}
    world.settle()
    assert {item["metadata"]["name"]: item["data"] for item in world.all(r.SECRET)} == before


def test_secrets_of_another_control_plane_are_collected() -> None:
    world = standing()
    secret = world.get(r.SECRET, "root-ca", PLANE)
    before = dict(secret["data"])
    secret["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "HostedControlPlane", "name": "shop", "uid": "of another cluster"}
    ]
    world.settle()
    assert world.get(r.SECRET, "root-ca", PLANE)["data"] != before


def test_the_fence_holds_while_its_operator_has_no_pod() -> None:
    world = standing()
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "true"}})
    world.settle()
    for name in (names.CONTROL_PLANE_OPERATOR, "kube-apiserver", "openshift-apiserver"):
        stop(world, name)
    world.settle()
    for name in (names.CONTROL_PLANE_OPERATOR, "kube-apiserver", "openshift-apiserver"):
        assert world.get(r.DEPLOYMENT, name, PLANE)["spec"]["replicas"] == 0


def test_without_pause_everything_is_put_back() -> None:
    world = standing()
    for name in (names.CONTROL_PLANE_OPERATOR, "kube-apiserver", "openshift-apiserver"):
        stop(world, name)
    world.settle()
    for name in (names.CONTROL_PLANE_OPERATOR, "kube-apiserver", "openshift-apiserver"):
        assert world.get(r.DEPLOYMENT, name, PLANE)["spec"]["replicas"] == 1


def test_nothing_is_put_back_by_an_operator_that_is_stopped() -> None:
    world = standing()
    stop(world, names.OPERATOR, "hypershift")
    stop(world, names.CONTROL_PLANE_OPERATOR)
    stop(world, "kube-apiserver")
    world.delete(r.ROUTE, "kube-apiserver", PLANE)
    world.settle()
    assert world.get(r.DEPLOYMENT, "kube-apiserver", PLANE)["spec"]["replicas"] == 0
    assert (PLANE, "kube-apiserver") not in world.objects[r.ROUTE]


def restored(options: Options | None = None) -> World:
    world = World()
    world.create_hosted_cluster(options)
    storage = {"storage": {"restoreSnapshotURL": [URL]}}
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"etcd": {"managed": storage}}})
    world.settle()
    return world


def test_etcd_rolls_once_more_after_the_restore() -> None:
    world = restored()
    templates = [
        change.body["spec"]["template"]["spec"].get("initContainers")
        for change in world.done
        if isinstance(change, Patch) and change.resource is r.STATEFUL_SET
    ]
    assert templates == [None]
    assert is_true(world.only(r.HOSTED_CONTROL_PLANE), "EtcdSnapshotRestored")
    assert "initContainers" not in world.only(r.STATEFUL_SET)["spec"]["template"]["spec"]


def test_the_snapshots_address_is_not_told_in_the_log() -> None:
    world = restored()
    assert not [change for change in world.done if "signature" in str(change)]


@pytest.mark.parametrize("name", payload.PAYLOADS)
def test_the_payload_decides_what_runs_and_the_operators_image_holds_the_script_that_restores(name: str) -> None:
    world = restored(Options(release=payload.release(name, "4.20.8")))
    (made,) = (change for change in world.done if isinstance(change, Create) and change.resource is r.STATEFUL_SET)
    template = made.body["spec"]["template"]["spec"]
    init = next(each for each in template["initContainers"] if each["name"] == "etcd-init")
    assert template["containers"][0]["image"] == init["image"] == payload.PAYLOADS[name].etcd
    operator = world.get(r.DEPLOYMENT, "control-plane-operator", PLANE)["spec"]["template"]["spec"]["containers"][0]
    assert init["command"][-1] in payload.binaries()[operator["image"]]


@pytest.mark.parametrize(("policy", "members"), [("SingleReplica", 1), ("HighlyAvailable", 3)])
def test_members(policy: str, members: int) -> None:
    world = World()
    world.create_hosted_cluster()
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"controllerAvailabilityPolicy": policy}})
    world.settle()
    etcd = world.only(r.STATEFUL_SET)["spec"]
    assert etcd["replicas"] == members
    assert etcd["persistentVolumeClaimRetentionPolicy"]["whenScaled"] == "Retain"
    command = " ".join(etcd["template"]["spec"]["containers"][0]["command"])
    assert command.count(":2380") == members + 2
