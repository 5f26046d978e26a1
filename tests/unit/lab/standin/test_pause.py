"""What pauses, what does not, and what acts although paused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hcp_dr.kube import resources as r
from hcp_dr_lab.ground import names
from hcp_dr_lab.standin.pause import PAUSED, is_paused
from hcp_dr_lab.standin.shape import annotation
from tests.unit.lab.standin.world import NAMES, PLANE, World, standing

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("until", "paused"),
    [
        (None, False),
        ("true", True),
        ("True", True),
        ("false", False),
        ("False", False),
        ("2026-11-22T12:00:01Z", True),
        ("2026-11-22T12:30:00+01:00", False),
        ("2026-11-22T11:59:59Z", False),
        ("2026-11-22T13:00:00", False),
        ("2026-13-45T99:00:00Z", False),
        ("tomorrow", False),
        ("yes", False),
    ],
)
def test_paused_until(until: str | None, paused: bool) -> None:  # noqa: FBT001
    assert is_paused({"spec": {"pausedUntil": until} if until else {}}, NOON) is paused


def test_a_pause_reaches_control_plane_and_cluster() -> None:
    world = standing()
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "true"}})
    world.settle()
    assert world.only(r.HOSTED_CONTROL_PLANE)["spec"]["pausedUntil"] == "true"
    assert world.only(r.CLUSTER)["spec"]["paused"] is True
    hosted = world.get(r.HOSTED_CLUSTER, "shop", "clusters")
    for item in (hosted, world.only(r.HOSTED_CONTROL_PLANE)):
        (told,) = (entry for entry in item["status"]["conditions"] if entry["type"] == "ReconciliationActive")
        assert (told["status"], told["reason"]) == ("False", "ReconciliationPaused")
        assert told["observedGeneration"] == item["metadata"]["generation"]


def test_the_end_of_a_pause_is_passed_on() -> None:
    world = standing()
    for value in ("true", None):
        world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": value}})
        world.settle()
    assert "pausedUntil" not in world.only(r.HOSTED_CONTROL_PLANE)["spec"]
    assert world.only(r.CLUSTER)["spec"]["paused"] is False


def test_a_date_ends_by_itself() -> None:
    world = standing()
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "2026-11-22T12:01:00Z"}})
    world.settle()
    assert world.only(r.CLUSTER)["spec"]["paused"] is True
    world.pass_time(61)
    world.settle()
    assert world.only(r.CLUSTER)["spec"]["paused"] is False


def test_a_cluster_created_paused_gets_its_finalizer_and_nothing_else() -> None:
    world = World()
    world.create_hosted_cluster()
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "true"}})
    world.patch(r.NODE_POOL, NAMES.node_pool, "clusters", {"spec": {"pausedUntil": "true"}})
    world.settle()
    assert world.get(r.HOSTED_CLUSTER, "shop", "clusters")["metadata"]["finalizers"] == [names.FINALIZER]
    assert (None, PLANE) not in world.objects[r.NAMESPACE]
    assert not world.objects.get(r.HOSTED_CONTROL_PLANE)


def test_a_stripped_finalizer_comes_back_to_a_paused_cluster() -> None:
    world = standing()
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"metadata": {"finalizers": []}, "spec": {"pausedUntil": "true"}})
    world.settle()
    assert names.FINALIZER in world.get(r.HOSTED_CLUSTER, "shop", "clusters")["metadata"]["finalizers"]


def test_a_paused_pool_holds_its_machine_deployment_only() -> None:
    world = standing()
    world.patch(r.NODE_POOL, NAMES.node_pool, "clusters", {"spec": {"pausedUntil": "true"}})
    world.settle()
    assert annotation(world.only(r.MACHINE_DEPLOYMENT), PAUSED) == "true"
    for resource in (r.MACHINE_SET, r.MACHINE, r.AWS_MACHINE):
        assert all(annotation(item, PAUSED) is None for item in world.all(resource))
    world.patch(r.NODE_POOL, NAMES.node_pool, "clusters", {"spec": {"pausedUntil": None}})
    world.settle()
    assert annotation(world.only(r.MACHINE_DEPLOYMENT), PAUSED) is None


def test_a_paused_pool_says_that_it_would_roll() -> None:
    world = standing()
    world.patch(r.NODE_POOL, NAMES.node_pool, "clusters", {"spec": {"pausedUntil": "true"}})
    note = {"metadata": {"annotations": {names.HAPROXY_IMAGE: "other/haproxy:1"}}}
    world.patch(r.NODE_POOL, NAMES.node_pool, "clusters", note)
    world.settle()
    pool = world.get(r.NODE_POOL, NAMES.node_pool, "clusters")
    (told,) = (entry for entry in pool["status"]["conditions"] if entry["type"] == "UpdatingConfig")
    assert told["status"] == "True"
    assert len(world.instances) == 2


def test_deleting_a_paused_cluster_ends_its_instances() -> None:
    world = standing()
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "true"}})
    world.patch(r.NODE_POOL, NAMES.node_pool, "clusters", {"spec": {"pausedUntil": "true"}})
    world.settle()
    world.delete(r.HOSTED_CLUSTER, "shop", "clusters")
    world.settle()
    assert world.instances == {}
    assert not world.all(r.HOSTED_CLUSTER, "clusters")
