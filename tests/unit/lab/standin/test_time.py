"""What happens by itself as time passes: silent nodes, tokens and authorities that grow old, a pace that is told."""

from __future__ import annotations

import pytest

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.ground import names
from hcp_dr_lab.hosted.cluster import Options, Pool
from hcp_dr_lab.standin import autoscaler, health_check, ignition_server, pace, pki_operator
from hcp_dr_lab.standin.pace import FAST, REALISTIC, Pace
from hcp_dr_lab.standin.pause import PAUSED
from hcp_dr_lab.standin.shape import annotation
from tests.unit.lab.standin.test_machines import stop
from tests.unit.lab.standin.world import AT_ONCE, NAMES, PLANE, World, standing

REPAIRED = Options(pools=(Pool(2, auto_repair=True),))


def tell(world: World, **seconds: object) -> None:
    """The ConfigMap by which a rehearsal is told its pace."""
    metadata = {"name": pace.CONFIG_MAP_NAME, "namespace": pace.CONFIG_MAP_NAMESPACE}
    data = {name: str(value) for name, value in seconds.items()}
    world.create(r.CONFIG_MAP, {"metadata": metadata, "data": data})


def silence(world: World, count: int = 1) -> list[str]:
    """Some nodes are not Ready from now on; their instances."""
    nodes = world.hosted_nodes[PLANE][:count]
    for node in nodes:
        node["status"]["conditions"] = [
            {"type": "Ready", "status": "Unknown", "lastTransitionTime": world.now.isoformat()}
        ]
    return [node["spec"]["providerID"].rsplit("/", 1)[-1] for node in nodes]


def test_a_health_check_ends_the_machines_of_silent_nodes() -> None:
    """Rule A12: two at once is all of a small pool."""
    world = standing(REPAIRED)
    silent = silence(world, 2)
    world.pass_time(FAST.node_unready - 1)
    world.settle()
    assert set(silent) <= set(world.instances)
    world.pass_time(2)
    world.settle()
    assert not set(silent) & set(world.instances)
    assert len(world.instances) == 2


def test_it_does_nothing_when_too_many_are_silent() -> None:
    world = standing(Options(pools=(Pool(3, auto_repair=True),)))
    silent = silence(world, 3)
    world.pass_time(FAST.node_unready + 1)
    world.settle()
    assert set(silent) <= set(world.instances)


@pytest.mark.parametrize("care", ["Cluster", "check", "machine", "API", "no repair", "no check"])
def test_what_holds_a_health_check_back(care: str) -> None:
    world = standing(Options() if care == "no repair" else REPAIRED)
    stop(world, names.OPERATOR, names.OPERATOR_NAMESPACE)
    mark = {"metadata": {"annotations": {PAUSED: "true"}}}
    if care == "Cluster":
        world.patch(r.CLUSTER, NAMES.infra_id, PLANE, {"spec": {"paused": True}})
    elif care == "check":
        world.patch(r.MACHINE_HEALTH_CHECK, NAMES.node_pool, PLANE, mark)
    elif care == "no check":
        world.delete(r.MACHINE_HEALTH_CHECK, NAMES.node_pool, PLANE)
    elif care == "machine":
        for item in world.all(r.MACHINE):
            world.patch(r.MACHINE, item["metadata"]["name"], PLANE, mark)
    silent = silence(world, 2)
    if care == "API":
        world.hosted_nodes.clear()
    world.pass_time(FAST.node_unready + 1)
    world.settle()
    assert set(silent) <= set(world.instances)
    assert not [item for item in world.all(r.MACHINE) if health_check.is_to_go(item)]


def test_a_paused_pool_does_not_hold_its_health_check() -> None:
    """Rule A4: the pause of a pool reaches its MachineDeployment only."""
    world = standing(REPAIRED)
    world.patch(r.NODE_POOL, NAMES.node_pool, "clusters", {"spec": {"pausedUntil": "true"}})
    world.settle()
    silent = silence(world)
    world.pass_time(FAST.node_unready + 1)
    world.settle()
    assert not set(silent) & set(world.instances)


def scaled(world: World, least: int, most: int) -> None:
    change: Object = {"spec": {"replicas": None, "autoScaling": {"min": least, "max": most}}}
    world.patch(r.NODE_POOL, NAMES.node_pool, "clusters", change)
    world.settle()
    world.join_nodes()
    world.settle()


def test_the_autoscaler_takes_the_machine_of_a_silent_node_away() -> None:
    world = standing()
    scaled(world, 1, 3)
    (silent,) = silence(world)
    world.pass_time(FAST.scale_down_unready + 1)
    world.settle()
    assert silent not in world.instances
    assert len(world.instances) == 1


def test_the_autoscaler_is_no_more_once_it_is_stopped() -> None:
    world = standing()
    scaled(world, 1, 3)
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "true"}})
    world.settle()
    stop(world, autoscaler.NAME)
    world.patch(r.CLUSTER, NAMES.infra_id, PLANE, {"spec": {"paused": False}})
    (silent,) = silence(world)
    stop(world, names.OPERATOR, names.OPERATOR_NAMESPACE)
    world.pass_time(FAST.scale_down_unready + 1)
    world.settle()
    assert silent in world.instances


def token(world: World) -> Object:
    (found,) = (item for item in world.all(r.SECRET) if annotation(item, ignition_server.CONFIG) is not None)
    return found


def test_tokens_rotate_although_everything_is_paused() -> None:
    """Rule G: between an export and the fence."""
    world = standing()
    paused(world)
    before = dict(token(world)["data"])
    tell(world, token_rotation=60)
    world.settle()
    assert token(world)["data"] == before
    world.pass_time(61)
    world.settle()
    assert token(world)["data"]["token"] != before["token"]
    assert token(world)["data"]["old_token"] == before["token"]


def test_authorities_rotate_although_everything_is_paused() -> None:
    world = standing()
    paused(world)
    before = {name: dict(world.get(r.SECRET, name, PLANE)["data"]) for name in pki_operator.SIGNERS}
    root = dict(world.get(r.SECRET, "root-ca", PLANE)["data"])
    tell(world, authority_rotation=60)
    world.pass_time(61)
    world.settle()
    for name, data in before.items():
        assert world.get(r.SECRET, name, PLANE)["data"] != data
    assert world.get(r.SECRET, "root-ca", PLANE)["data"] == root


@pytest.mark.parametrize("role", [ignition_server.NAME, pki_operator.NAME])
def test_nothing_rotates_once_who_rotates_is_stopped(role: str) -> None:
    world = standing()
    paused(world)
    for name in (ignition_server.NAME, pki_operator.NAME):
        stop(world, name)
    before = {item["metadata"]["name"]: dict(item["data"]) for item in world.all(r.SECRET)}
    tell(world, token_rotation=60, authority_rotation=60)
    world.pass_time(61)
    world.settle()
    assert {item["metadata"]["name"]: item["data"] for item in world.all(r.SECRET)} == before
    world.patch(r.DEPLOYMENT, role, PLANE, {"spec": {"replicas": 1}})
    world.settle()
    assert {item["metadata"]["name"]: item["data"] for item in world.all(r.SECRET)} != before


def paused(world: World) -> None:
    world.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "true"}})
    world.patch(r.NODE_POOL, NAMES.node_pool, "clusters", {"spec": {"pausedUntil": "true"}})
    world.settle()


@pytest.mark.parametrize(
    ("kind", "shutdown", "grace"), [(FAST, "15s", 30), (REALISTIC, "70s", 135)], ids=["fast", "realistic"]
)
def test_the_api_server_serves_on_after_it_was_told_to_stop(kind: Pace, shutdown: str, grace: int) -> None:
    """Rule C2."""
    world = World()
    world.pace = Pace(
        load_balancer=0, api_server_shutdown=kind.api_server_shutdown, api_server_grace=kind.api_server_grace
    )
    world.create_hosted_cluster()
    world.settle()
    pod = world.get(r.DEPLOYMENT, "kube-apiserver", PLANE)["spec"]["template"]["spec"]
    assert f"--shutdown-delay-duration={shutdown}" in pod["containers"][0]["command"]
    assert pod["terminationGracePeriodSeconds"] == grace


def test_the_control_plane_operator_looks_again_after_a_minute_only() -> None:
    """Rule D; CPO:1142-1149: part of the downtime."""
    world = World()
    world.pace = Pace(load_balancer=0, infrastructure=60, tuning=0)
    world.create_hosted_cluster()
    world.settle()
    world.pass_time(59)
    world.settle()
    assert not world.objects.get(r.STATEFUL_SET)
    world.pass_time(2)
    world.settle()
    assert world.objects[r.STATEFUL_SET]


def test_a_pace_is_told_by_its_fields_and_nonsense_changes_nothing() -> None:
    world = World()
    tell(world, node_unready=7, tuning="soon", load_balancer=-1, unknown=3)
    assert world.view().paced == Pace(load_balancer=0, load_balancer_cleanup=0, tuning=0, node_unready=7)
    assert AT_ONCE.node_unready == FAST.node_unready
