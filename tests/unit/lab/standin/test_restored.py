"""A hosted cluster that bears HyperShift's own mark of a restore: what its operators do to its volumes, and what a pool
says of ignition with it and without it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.hosted.cluster import Options, Pool
from hcp_dr_lab.standin import ignition_server, monitoring_recovery
from hcp_dr_lab.standin.shape import annotation
from hcp_dr_lab.standin.view import Monitoring, condition_status
from tests.unit.lab.standin.test_machines import stop
from tests.unit.lab.standin.world import NAMES, PLANE, World, standing

MARK = {"metadata": {"annotations": {names.RESTORED: "true"}}}
OLD_RELEASE = "registry.rehearsal.example/ocp-release:4.19.3-x86_64"
HEALED = Options(pools=(Pool(2),))


def inside(kind: str, name: str, **labels: str) -> Object:
    return {"kind": kind, "metadata": {"name": name, "uid": f"uid of {name}", "labels": labels}}


def monitored(world: World, available: int, *, replicas: int = 2) -> World:
    """As the hosted API tells of openshift-monitoring."""
    prometheus = inside("StatefulSet", "prometheus-k8s") | {
        "spec": {"selector": {"matchLabels": {"app": "prometheus"}}},
        "status": {"replicas": replicas, "availableReplicas": available},
    }
    claims = [inside("PersistentVolumeClaim", name) for name in ("of prometheus", "of alertmanager")]
    pods = [inside("Pod", "prometheus-k8s-0", app="prometheus"), inside("Pod", "alertmanager-0", app="alertmanager")]
    world.monitoring[PLANE] = Monitoring(prometheus, claims, pods)
    return world


def mark(world: World) -> None:
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", MARK)
    world.settle()


def left(world: World) -> list[str]:
    seen = world.monitoring[PLANE]
    return [item["metadata"]["name"] for item in (*seen.claims, *seen.pods)]


ALL = ["of prometheus", "of alertmanager", "prometheus-k8s-0", "alertmanager-0"]


def is_marked(world: World) -> tuple[bool, bool]:
    """The HostedCluster, and the HostedControlPlane."""
    hosted, plane = world.get(r.HOSTED_CLUSTER, "shop", "clusters"), world.only(r.HOSTED_CONTROL_PLANE)
    return annotation(hosted, names.RESTORED) is not None, annotation(plane, names.RESTORED) is not None


def told(world: World) -> str | None:
    return condition_status(world.get(r.HOSTED_CLUSTER, "shop", "clusters"), monitoring_recovery.RECOVERED)


def test_where_prometheus_is_not_fully_available_all_claims_go_and_its_pods() -> None:
    world = monitored(standing(), 1)
    mark(world)
    assert left(world) == ["alertmanager-0"]
    assert told(world) == "False"
    assert is_marked(world) == (True, True)


def test_they_go_once_and_when_it_is_available_the_mark_goes() -> None:
    world = monitored(standing(), 1)
    mark(world)
    monitored(world, 2)
    world.settle()
    assert told(world) == "False", "it looks every two minutes"
    monitored(world, 1)
    world.pass_time(121)
    world.settle()
    assert left(world) == ALL
    monitored(world, 2)
    world.settle()
    assert told(world) == "True"
    assert is_marked(world) == (False, False)
    assert left(world) == ALL


def test_where_it_is_available_nothing_goes_but_the_mark() -> None:
    world = monitored(standing(), 2)
    mark(world)
    assert left(world) == ALL
    assert told(world) == "True"
    assert is_marked(world) == (False, False)


def paused(world: World) -> None:
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "true"}})
    world.settle()


def without_the_operator(world: World) -> None:
    stop(world, names.OPERATOR, names.OPERATOR_NAMESPACE)
    for name in (names.CONTROL_PLANE_OPERATOR, monitoring_recovery.NAME):
        stop(world, name)
    world.patch(r.HOSTED_CONTROL_PLANE, "shop", PLANE, MARK)


def without_monitoring(world: World) -> None:
    seen = world.monitoring[PLANE]
    world.monitoring[PLANE] = Monitoring(None, seen.claims, seen.pods)


@pytest.mark.parametrize("so", [paused, without_the_operator, without_monitoring])
def test_nothing_goes_while_nobody_looks(so: Callable[[World], None]) -> None:
    world = monitored(standing(), 1)
    so(world)
    mark(world)
    assert left(world) == ALL
    assert told(world) is None


def test_without_the_mark_nothing_goes() -> None:
    world = monitored(standing(), 0)
    world.settle()
    assert left(world) == ALL


def test_hosted_releases_before_420_know_nothing_of_it() -> None:
    world = monitored(standing(Options(release=OLD_RELEASE)), 1)
    mark(world)
    assert left(world) == ALL
    assert is_marked(world) == (True, True)


# What it was for


def pool(world: World) -> Object:
    return world.get(r.NODE_POOL, NAMES.node_pool, "clusters")


def reached(world: World) -> str | None:
    return condition_status(pool(world), "ReachedIgnitionEndpoint")


def token(world: World) -> Object:
    (found,) = (item for item in world.all(r.SECRET) if annotation(item, ignition_server.CONFIG) is not None)
    return found


def lose_the_token(world: World) -> None:
    """And no machine is going to fetch with the new one."""
    world.delete(r.SECRET, token(world)["metadata"]["name"], PLANE)
    world.pass_time(60)
    world.settle()


def test_a_pool_says_that_it_was_reached_when_a_machine_has_used_its_token() -> None:
    world = World()
    world.create_hosted_cluster(HEALED)
    world.settle()
    assert reached(world) == "False"
    world.join_nodes()
    world.settle()
    assert annotation(token(world), ignition_server.REACHED) == "True"
    assert reached(world) == "True"


def test_with_a_token_that_no_machine_used_it_says_no_and_its_machines_are_not_repaired() -> None:
    world = standing(HEALED)
    world.patch(r.NODE_POOL, NAMES.node_pool, "clusters", {"spec": {"management": {"autoRepair": True}}})
    world.settle()
    assert [item["metadata"]["name"] for item in world.all(r.MACHINE_HEALTH_CHECK)] == [NAMES.node_pool]
    world.delete(r.MACHINE_HEALTH_CHECK, NAMES.node_pool, PLANE)
    lose_the_token(world)
    assert reached(world) == "False"
    assert world.all(r.MACHINE_HEALTH_CHECK) == []


def test_one_that_is_upgraded_in_place_goes_on_saying_yes() -> None:
    world = standing(Options(pools=(Pool(2, upgrade="InPlace"),)))
    assert reached(world) == "True"
    lose_the_token(world)
    assert reached(world) == "True"


def test_with_the_mark_a_new_token_says_so_by_itself() -> None:
    world = monitored(standing(HEALED), 1)
    mark(world)
    lose_the_token(world)
    assert reached(world) == "True"
