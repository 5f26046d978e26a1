"""The dangers bite where a guard of the product is switched off by hand, and the observer's rules catch each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import pytest

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.errors import FenceBroken, NotProven, PastNoReturn, TimedOut
from hcp_dr.hypershift import bodies, gate
from hcp_dr.hypershift.fence.state import Fence
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.model import RELEASE, Dns
from hcp_dr.objects.reading import is_ready_pod
from hcp_dr.procedure import verify
from hcp_dr.procedure.restore import hosted_cluster, start_control_plane
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS
from hcp_dr_lab.ground.names import OPERATOR, OPERATOR_NAMESPACE
from hcp_dr_lab.hosted.content import OVN_NAMESPACE
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.gate import Request
from tests.tabletop.scene import Scene, scene, twin, unchecked, unguarded, unwatched

OWN = "clusters-shop"
MARK = "hypershift.openshift.io/restored-from-backup"
HELD = (r.AWS_MACHINE, r.MACHINE, r.MACHINE_SET, r.MACHINE_DEPLOYMENT)


class Killed(BaseException):
    """The product's process is gone."""


def kill() -> None:
    raise Killed


def sides(here: Scene) -> tuple[Kubernetes, Kubernetes]:
    """Source and destination as somebody with kubectl reaches them."""
    first, second = here.world.sides
    return first.client(), second.client()


def just_before(here: Scene, step: str, act: Callable[[], None]) -> None:
    """Once, when the product asks something for the first time in this step."""
    done: list[str] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        del request
        if moment == "before" and not done and here.operator.story().current == step:
            done.append(step)
            act()

    here.world.hooks.append(listen)


def stop_before(here: Scene, step: str, dns: Dns = RELEASE) -> None:
    """The product is killed there, and somebody goes on by hand."""

    def kill() -> None:
        raise Killed

    just_before(here, step, kill)
    with pytest.raises(Killed):
        here.operator.relocate(dns=dns)
    here.world.hooks.clear()


def stopped(step: str, *shapes: Shape, dns: Dns = RELEASE) -> Scene:
    """A scene of a test's own, in which the product was killed there."""
    return twin(_stopped(step, shapes, dns))


@cache
def _stopped(step: str, shapes: tuple[Shape, ...], dns: Dns) -> Scene:
    """Nobody's own: it is relocated once in a process, and each test goes on with a twin."""
    here = scene(*shapes)
    stop_before(here, step, dns)
    return here


def scale(cluster: Kubernetes, namespace: str, deployment: str, replicas: int) -> None:
    cluster.patch(r.DEPLOYMENT, deployment, namespace, {"spec": {"replicas": replicas}})


def test_without_fence_writes_are_lost_and_two_control_planes_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fence, "breach", lambda _fence: None)
    here = scene()
    unwatched(monkeypatch)
    here.operator.pretend("backup.fence", fence={"id": "none", "revision": 1}, replicas_before={})
    here.operator.relocate()
    verdict = here.verdict()
    assert verdict.lost
    assert verdict.split_brain


def test_pods_go_on_talking_to_the_old_control_plane_while_it_answers() -> None:
    """A node's own way to its API leads to where the name led when it started; the kubelet's follows the name."""
    here = scene()
    source, _ = sides(here)
    scale(source, "hypershift", "external-dns", 0)
    here.world.clock.spend(5)
    resident = here.world.residents["shop"]
    moved = Record(resident.server[0], "CNAME", 300, (MANAGEMENT_CLUSTERS[1].load_balancer_hostname,))
    here.operator.ports().zone.change((RecordChange("UPSERT", moved),))
    here.world.clock.spend(60)
    workers = here.world.hypervisor.workers.values()
    assert {worker.reached() for worker in workers} == {None}
    assert {worker.proxy.reached() for worker in workers} == {here.world.sides[0].api(OWN)}
    for worker in workers:
        worker.proxy.restart()
    here.world.clock.spend(5)
    assert {worker.proxy.reached() for worker in workers} == {None}


def test_a_nodes_way_to_its_api_restarts_itself_only_when_the_old_one_is_dead() -> None:
    """Until then no pod of OVN is Ready, however long the API answers by its name."""
    here = stopped("finish.restart_ovn")
    here.world.clock.spend(60)
    workers = here.world.hypervisor.workers.values()
    destination = here.world.sides[1].api(OWN)
    assert {worker.proxy.reached() for worker in workers} == {destination}
    assert all(worker.proxy.restarts for worker in workers)
    for worker in workers:
        worker.proxy.address = here.world.sides[0].router.address
    here.world.clock.spend(3)
    assert not any(map(is_ready_pod, ovn_pods(here)))
    here.world.clock.spend(15)
    assert all(map(is_ready_pod, ovn_pods(here)))


def ovn_pods(here: Scene) -> tuple[Object, ...]:
    return tuple(here.world.hosted_client().list(r.POD, OVN_NAMESPACE).items)


def test_with_the_pause_alone_a_deletion_costs_every_instance_its_life() -> None:
    here = scene()
    source, _ = sides(here)
    for resource, name in ((r.HOSTED_CLUSTER, "shop"), (r.NODE_POOL, "shop-workers")):
        source.patch(resource, name, "clusters", {"spec": {"pausedUntil": "true"}})
    here.world.clock.spend(5)
    source.delete(r.HOSTED_CLUSTER, "shop", "clusters")
    verdict = here.verdict(after=60)
    assert verdict.instances_terminated == verdict.instances_before
    assert verdict.failed


def test_termination_protection_stands_behind_all_else() -> None:
    here = scene()
    source, _ = sides(here)
    machines = here.world.cloud.machines
    for instance_id in machines.instances():
        machines.protect(instance_id, on=True)
    source.delete(r.HOSTED_CLUSTER, "shop", "clusters")
    assert here.verdict(after=60).instances_terminated == ()


def test_an_aws_machine_deleted_on_the_source_while_its_provider_lives_is_an_instance_terminated() -> None:
    """As somebody tears down who has not stopped the controllers, nor held the machines, nor protected instances."""
    here = stopped("teardown.stop_control_plane")
    source, _ = sides(here)
    let_go(here, source)
    source.delete(r.HOSTED_CLUSTER, "shop", "clusters")
    verdict = here.verdict(after=60)
    assert verdict.instances_terminated == verdict.instances_before


def let_go(here: Scene, cluster: Kubernetes) -> None:
    """Nothing holds the machine objects, and nothing protects the instances."""
    for resource in HELD:
        for item in cluster.list(resource, OWN).items:
            change = {"metadata": {"annotations": {"cluster.x-k8s.io/paused": None}}}
            cluster.patch(resource, item["metadata"]["name"], OWN, change)
    for instance_id in here.world.cloud.machines.instances():
        here.world.cloud.machines.protect(instance_id, on=False)


def test_a_machine_with_a_stale_owner_is_replaced() -> None:
    here = stopped("restore.unpause_node_pools")
    _, destination = sides(here)
    let_go(here, destination)
    destination.patch(r.NODE_POOL, "shop-workers", "clusters", {"spec": {"pausedUntil": None}})
    machine = destination.list(r.MACHINE, OWN).items[0]
    stale = [
        {**owner, "uid": "00000000-0000-4000-8000-000000000000"} for owner in machine["metadata"]["ownerReferences"]
    ]
    destination.patch(r.MACHINE, machine["metadata"]["name"], OWN, {"metadata": {"ownerReferences": stale}})
    verdict = here.verdict(after=60)
    assert verdict.instances_new
    assert len(verdict.instances_terminated) == 1


def test_held_machines_are_not_replaced_whoever_owns_them() -> None:
    """What the paused annotations are for: with them, the same mistake makes no machine."""
    here = stopped("restore.unpause_node_pools")
    _, destination = sides(here)
    machine_set = destination.list(r.MACHINE_SET, OWN).items[0]
    destination.patch(r.MACHINE_SET, machine_set["metadata"]["name"], OWN, {"spec": {"replicas": 4}})
    here.world.clock.spend(60)
    assert len(destination.list(r.MACHINE, OWN).items) == 2
    let_go(here, destination)
    assert here.verdict(after=60).instances_new


def test_an_authority_that_is_not_restored_is_a_dead_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the look at the gate (test_gate)."""
    for looking in (gate, start_control_plane):
        monkeypatch.setattr(looking, "list_lacking", lambda *_: ())
    here = scene()
    _, destination = sides(here)
    just_before(here, "restore.start_control_plane", lambda: destination.delete(r.SECRET, "root-ca", OWN))
    ending = here.operator.relocate()
    assert isinstance(ending.error, TimedOut)
    assert "not trusted" in ending.error.what
    verdict = here.verdict()
    assert "the acknowledged writes could not be read back through the hosted API at the end" in verdict.reasons


def test_a_source_that_is_un_paused_meanwhile_and_not_watched_is_a_second_control_plane(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = scene()
    unwatched(monkeypatch)
    source, _ = sides(here)

    def un_pause() -> None:
        source.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": None}})
        scale(source, OWN, "control-plane-operator", 1)
        here.world.clock.spend(10)

    just_before(here, "verify.await_nodes", un_pause)
    here.operator.relocate()
    assert here.verdict(after=60).split_brain


def test_a_pause_that_is_lifted_before_the_snapshot_voids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    here = scene()
    unwatched(monkeypatch)
    source, _ = sides(here)

    def lift() -> None:
        source.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": None}})

    just_before(here, "backup.snapshot_etcd", lift)
    ending = here.operator.relocate()
    assert isinstance(ending.error, FenceBroken)
    verdict = here.verdict(after=60)
    assert verdict.lost == ()
    assert not verdict.split_brain


@pytest.mark.parametrize("shape", [Shape.THREE_MEMBERS, Shape.NEXT_MEMBERS])
def test_members_restored_each_by_itself_are_three_clusters(shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the release's number."""
    unguarded(monkeypatch)
    here = scene(shape)
    unchecked(monkeypatch)
    stopped = here.operator.relocate()
    assert isinstance(stopped.error, NotProven)
    assert "etcd-0 knows etcd-0; etcd-1 knows etcd-1; etcd-2 knows etcd-2" in stopped.error.what
    monkeypatch.setattr(verify.identity, "checks", lambda _facts: ())
    assert here.operator.resume().error is None
    _, destination = sides(here)
    for member in ("etcd-0", "etcd-1", "etcd-2"):  # one of them is that which the API server leans on
        destination.delete(r.POD, member, OWN)
        here.world.clock.spend(10)
    assert here.verdict().lost


def test_with_the_mark_of_a_restore_the_volumes_of_monitoring_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is set as HyperShift's own way of restoring sets it, in the create call."""
    made = bodies.hosted_cluster_body

    def marked(*given: Any, **named: Any) -> Object:
        body = made(*given, **named)
        body["metadata"]["annotations"][MARK] = "true"
        return body

    monkeypatch.setattr(hosted_cluster, "hosted_cluster_body", marked)
    monkeypatch.setattr(start_control_plane, "RESTORED_FROM_BACKUP", "nobody/asks-for-this")
    here = scene()
    assert here.operator.relocate().error is None
    assert_the_volumes_are_gone(here)


def assert_the_volumes_are_gone(here: Scene) -> None:
    verdict = here.verdict()
    claims = "hosted PersistentVolumeClaim openshift-monitoring"
    assert verdict.volumes_changed == (
        f"{claims}/alertmanager-main-db-alertmanager-main-0 is gone",
        f"{claims}/prometheus-data-prometheus-k8s-0 is another",
        f"{claims}/prometheus-data-prometheus-k8s-1 is another",
    )
    assert any(reason.startswith("volumes of the hosted cluster were changed: ") for reason in verdict.reasons)


def test_whoever_sets_the_mark_of_a_restore_afterwards_loses_them_too_and_is_told() -> None:
    here = scene()
    _, destination = sides(here)

    def mark() -> None:
        destination.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"metadata": {"annotations": {MARK: "true"}}})

    just_before(here, "verify.await_nodes", mark)
    ending = here.operator.relocate()
    assert ending.error is None
    [told] = [check for check in ending.checks if check.name == "mark_of_a_restore"]
    assert told.verdict == "warning"
    assert_the_volumes_are_gone(here)


def test_an_etcd_init_that_calls_a_tool_that_restores_no_more_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    unguarded(monkeypatch)
    here = scene(Shape.ETCDCTL_ON_36)
    stopped = here.operator.relocate()
    assert isinstance(stopped.error, TimedOut)
    assert isinstance(here.operator.abort().error, PastNoReturn)
    pod = sides(here)[1].get(r.POD, "etcd-0", OWN)
    assert "unknown flag: --data-dir" in str(pod["status"])


def test_an_operator_that_comes_back_to_a_half_deleted_cluster_wipes_its_oidc_documents() -> None:
    here = stopped("teardown.hosted_cluster")
    source, _ = sides(here)
    scale(source, OPERATOR_NAMESPACE, OPERATOR, 1)
    source.delete(r.HOSTED_CLUSTER, "shop", "clusters")
    verdict = here.verdict(after=60)
    assert any("openid" in thing for thing in verdict.cloud_changed)


def test_killed_by_hand_and_resumed_the_same_places_are_harmless() -> None:
    """The counterpart of the tests above: where nobody interferes, the product goes on from each of these places."""
    for step in ("teardown.stop_control_plane", "restore.adopt_machines", "teardown.hosted_cluster"):
        here = stopped(step)
        assert here.operator.resume().error is None
        assert here.verdict().reasons == (), step
