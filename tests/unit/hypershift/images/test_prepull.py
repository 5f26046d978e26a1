"""Which images are pulled ahead, where, and what a kubelet's words about them mean."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.hypershift.images.prepull import MOST_NODES, Wanted, body, find_images, pod_name, pull_pod
from hcp_dr.kube.port import Object
from hcp_dr.procedure.backup import export_objects
from tests.ports import World
from tests.unit.engine.toys import Table
from tests.world import CASE, relocatable

OWN = CASE.control_plane_namespace
SELECTED = {"role": "infra"}
"""The HostedCluster's node selector; the destination has Node host with it."""
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


@pytest.fixture
def world() -> World:
    return relocatable()


def pod(world: World, name: str, images: list[str], waiting: str = "", **spec: Any) -> None:
    containers = [{"name": f"c{place}", "image": image} for place, image in enumerate(images)]
    state = {"waiting": {"reason": waiting}} if waiting else {"running": {}}
    statuses = [{"name": each["name"], "state": state} for each in containers]
    spec = {"containers": containers, **spec}
    world.source.put({f"Pod {OWN}/{name}": {"spec": spec, "status": {"containerStatuses": statuses}}})


def node(world: World, name: str, taints: list[Object] | None = None, **more: Any) -> None:
    said = {"status": READY, "spec": {"taints": taints or []}, **more}
    labels = SELECTED | more.get("labels", {})
    world.destination.put({f"Node {name}": said | {"labels": labels}})


def test_images_of_all_containers_are_pulled_once_and_what_the_source_lacks_too_is_not(world: World) -> None:
    pod(world, "one", ["b", "a"], initContainers=[{"name": "first", "image": "c"}])
    pod(world, "two", ["a", "d"])
    pod(world, "vain", ["e", "a"], waiting="ImagePullBackOff")
    pod(world, "slow", ["f"], waiting="ContainerCreating")
    wanted = find_images(world.ports, CASE)
    assert [image for image in wanted.images if len(image) == 1] == ["a", "b", "c", "d", "f"]
    assert wanted.withheld == ("e",)


def test_nodes_are_those_that_the_control_planes_pods_may_stand_on(world: World) -> None:
    reserved = {"key": "hypershift.openshift.io/control-plane", "value": "true", "effect": "NoSchedule"}
    pressed = {"conditions": [*READY["conditions"], {"type": "DiskPressure", "status": "True"}]}
    node(world, "plain")
    node(world, "reserved", [reserved], labels={"hypershift.openshift.io/control-plane": "true"})
    node(world, "anothers", [reserved | {"value": "no"}])
    node(world, "full", status=pressed)
    node(world, "lost", status={"conditions": [{"type": "Ready", "status": "Unknown"}]})
    node(world, "cordoned", spec={"unschedulable": True})
    world.destination.put({"Node unselected": {"status": READY}})
    node(world, "theirs", labels={"hypershift.openshift.io/cluster": OWN})
    by_itself = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "tolerationSeconds": 300}
    pod(world, "one", ["a"], tolerations=[reserved | {"operator": "Equal"}, by_itself])
    wanted = find_images(world.ports, CASE)
    assert wanted.nodes == ("theirs", "reserved", "host", "plain")
    assert wanted.tolerations == ({**reserved, "operator": "Equal"},)


def test_not_more_nodes_than_are_worth_it(world: World) -> None:
    for number in range(MOST_NODES + 3):
        node(world, f"n{number:02}")
    assert len(find_images(world.ports, CASE).nodes) == MOST_NODES


def test_pull_secrets_are_those_of_its_pods_that_are_restored(world: World) -> None:
    pod(world, "one", ["a"], imagePullSecrets=[{"name": "pull-secret"}, {"name": "default-dockercfg-x"}])
    assert find_images(world.ports, CASE).pull_secrets == ("default-dockercfg-x", "pull-secret")
    world.source.put({f"Secret {OWN}/pull-secret": {"data": {".dockerconfigjson": "e30="}}})
    Table(world).run().carry_out((export_objects.STEP,))
    assert find_images(world.ports, CASE).pull_secrets == ("pull-secret",)


@pytest.mark.parametrize(
    ("status", "pulled", "unpulled"),
    [
        ({}, (), {}),
        ({"state": {"waiting": {"reason": "ContainerCreating"}}}, (), {}),
        ({"imageID": "sha256:1", "state": {"terminated": {"exitCode": 1}}}, ("x",), {}),
        ({"state": {"terminated": {"reason": "ContainerStatusUnknown", "exitCode": 137}}}, (), {}),
        ({"state": {"waiting": {"reason": "CreateContainerConfigError"}}}, ("x",), {}),
        ({"state": {"waiting": {"reason": "InvalidImageName"}}}, (), {"x": "InvalidImageName"}),
        (
            {"state": {"waiting": {"reason": "ErrImagePull", "message": "https://me:word@r.io/v2?token=abc: denied."}}},
            (),
            {"x": "ErrImagePull: https://r.io/v2 denied"},
        ),
    ],
)
def test_what_a_kubelet_says_of_a_container(status: Object, pulled: tuple[str, ...], unpulled: dict[str, str]) -> None:
    found = body("node-a", Wanted(images=("x",)), OWN, "b-1")
    found["status"] = {"phase": "Pending", "containerStatuses": [{"name": "image-0", **status}]}
    seen = pull_pod(found, ("x",), "b-1")
    assert (seen.pulled, seen.unpulled, seen.ours, seen.ended) == (pulled, unpulled, True, False)
    assert not pull_pod(found, ("x",), "b-2").ours


def test_why_a_pod_has_not_begun_or_ended_early_is_seen() -> None:
    found = body("node-a", Wanted(images=("x",)), OWN, "b-1")
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: Too many pods."}
    assert (
        pull_pod(found | {"status": {"conditions": [unscheduled]}}, ("x",), "b-1").says == unscheduled["message"][:-1]
    )
    evicted = {"phase": "Failed", "reason": "Evicted", "message": "low on resource"}
    seen = pull_pod(found | {"status": evicted}, ("x",), "b-1")
    assert (seen.says, seen.ended) == ("Evicted: low on resource", True)


def test_the_pod_may_do_nothing_and_stands_on_its_node() -> None:
    wanted = Wanted(images=("x", "y"), pull_secrets=("pull-secret",), tolerations=({"operator": "Exists"},))
    made = body("ip-10-0-1-2.eu-central-1.compute.internal", wanted, OWN, "b-1")
    spec = made["spec"]
    assert made["metadata"]["name"].startswith("hcp-dr-pull-ip-10-0-1-2-")
    assert [each["image"] for each in spec["containers"]] == ["x", "y"]
    assert spec["imagePullSecrets"] == [{"name": "pull-secret"}]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert all(each["securityContext"]["capabilities"] == {"drop": ["ALL"]} for each in spec["containers"])
    assert "ip-10-0-1-2.eu-central-1.compute.internal" in str(spec["affinity"])
    assert "nodeName" not in spec


def test_its_name_is_that_of_node_and_images() -> None:
    assert pod_name("a", ("x", "y")) == pod_name("a", ("x", "y"))
    assert len({pod_name("a", ("x",)), pod_name("b", ("x",)), pod_name("a", ("x", "y"))}) == 3
    assert len(pod_name("n" * 253, ("x",))) <= 63
