"""A kubeconfig that leads elsewhere: to another region's management cluster, where an innocent hosted cluster of the
same namespace, name and infraID is in service. Whatever is done next, nothing there is written, and the refusal says
what is behind the kubeconfig."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Literal

import pytest

from hcp_dr.errors import HcpDrError, SameCluster, WrongCluster
from hcp_dr.kube import resources as r
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig
from hcp_dr_lab.hosted import shapes
from hcp_dr_lab.observer import tabletop as observation
from hcp_dr_lab.observer.tabletop import EASY, Observation
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Ending, Operator
from hcp_dr_lab.tabletop.world import NAME, World
from tests.tabletop.scene import Scene, scene, twin
from tests.tabletop.test_dangers import just_before, scale, sides, stopped

Which = Literal["source", "destination", "hosted"]
GOES_ON: dict[str, Callable[[Operator], Ending]] = {
    "resume": lambda operator: operator.resume(),
    "abort": lambda operator: operator.abort(),
}
STOPPED_IN = (
    "backup.pause",
    "backup.fence",
    "backup.export_again",
    "backup.release_dns",
    "restore.hosted_cluster",
    "restore.start_control_plane",
    "verify.await_nodes",
    "restore.adopt_machines",
    "teardown.stop_control_plane",
    "teardown.machines",
    "finish.restart_ovn",
)


@cache
def _another_region() -> World:
    world = World(seed=99)
    world.populate(shapes.options(frozenset()))
    Observation(world, NAME, source=1, pace=EASY).begin()
    return world


class Elsewhere:
    """Another region, whose clock goes with the first one's, and what was written there."""

    def __init__(self, here: Scene, *which: Which) -> None:
        self.world = _another_region().clone()
        self.which = which
        self.written: list[Request] = []
        self.before = self.look()
        here.world.hooks.append(lambda _moment, _request: self._catch_up(here))
        self._at = here.world.clock.now()
        self.world.hooks.append(lambda _moment, request: self.written.append(request) if request.writes else None)
        real = here.operator.ports

        def ports() -> Ports:
            ours = real()
            theirs = self.world.ports(ours.archive)
            return replace(ours, **{each: getattr(theirs, each) for each in which})

        here.operator.ports = ports  # type: ignore[method-assign]

    def _catch_up(self, here: Scene) -> None:
        passed, self._at = here.world.clock.now() - self._at, here.world.clock.now()
        if passed > 0:
            self.world.clock.spend(passed)

    def look(self) -> dict[str, object]:
        """What of the innocent hosted cluster a deletion or a fence would change."""
        found: dict[str, object] = {}
        for side in self.world.sides:
            client = side.client()
            for resource in (r.HOSTED_CLUSTER, r.NODE_POOL, r.MACHINE, r.AWS_MACHINE, r.DEPLOYMENT, r.LEASE):
                for item in client.list(resource).items:
                    key = f"{side.name} {resource.kind} {item['metadata'].get('namespace')}/{item['metadata']['name']}"
                    spec = item["spec"] if resource is not r.LEASE else None
                    found[key] = (item["metadata"]["uid"], spec)
        found["instances"] = sorted(self.world.cloud.machines.instances())
        return {key: value for key, value in found.items() if "kube-node-lease" not in key}

    def assert_untouched(self) -> None:
        assert self.written == []
        assert self.look() == self.before


@pytest.mark.parametrize("which", ["source", "destination"])
@pytest.mark.parametrize("step", STOPPED_IN)
@pytest.mark.parametrize("command", GOES_ON)
def test_what_was_stopped_is_not_gone_on_with_elsewhere(step: str, which: Which, command: str) -> None:
    here = stopped(step)
    there = Elsewhere(here, which)
    error = ended_with(lambda: GOES_ON[command](here.operator))
    there.assert_untouched()
    if command == "resume":
        assert isinstance(error, WrongCluster), error
        assert f"Point {'MGMT_KUBECONFIG' if which == 'source' else 'MGMT2_KUBECONFIG'} at" in error.next
        assert "its namespace kube-system has uid" in error.what
    else:
        assert isinstance(error, HcpDrError)


def ended_with(act: Callable[[], Ending]) -> HcpDrError | None:
    try:
        return act().error
    except HcpDrError as error:
        return error


IN_ORDER = ("backup", "restore", "verify", "teardown", "finish")


@cache
def after_phase(phase: str) -> Scene:
    """Of a relocation phase by phase. Nobody's own: go on with a twin."""
    place = IN_ORDER.index(phase)
    here = twin(after_phase(IN_ORDER[place - 1])) if place else scene()
    ending = here.operator.go_on(phase) if place else here.operator.backup()
    assert ending.error is None, ending.error
    return here


@pytest.mark.parametrize("which", ["source", "destination"])
@pytest.mark.parametrize("phase", ["restore", "verify", "teardown", "finish"])
def test_a_phase_that_follows_others_is_not_begun_elsewhere(phase: str, which: Which) -> None:
    here = twin(after_phase(IN_ORDER[IN_ORDER.index(phase) - 1]))
    there = Elsewhere(here, which)
    assert isinstance(here.operator.go_on(phase).error, WrongCluster)
    there.assert_untouched()


def test_the_other_cluster_of_the_relocation_is_named() -> None:
    here = stopped("backup.export_again")
    real = here.operator.ports
    here.operator.ports = lambda: swapped(real())  # type: ignore[method-assign]
    error = here.operator.resume().error
    assert isinstance(error, WrongCluster)
    assert "it is the destination of this relocation" in error.what


def swapped(ports: Ports) -> Ports:
    return replace(ports, source=ports.destination, destination=ports.source)


def test_a_hosted_kubeconfig_that_leads_elsewhere_stops_preflight() -> None:
    here = scene()
    there = Elsewhere(here, "hosted")
    assert isinstance(here.operator.relocate().error, HcpDrError)
    assert "hosted_identity" in {check.name for check in here.operator.preflight() if check.verdict == "blocked"}
    assert isinstance(here.operator.back_up_online().error, WrongCluster)
    there.assert_untouched()


def test_no_pod_is_restarted_in_another_hosted_cluster() -> None:
    here = stopped("finish.restart_ovn")
    there = Elsewhere(here, "hosted")
    assert isinstance(here.operator.resume().error, WrongCluster)
    there.assert_untouched()
    here = twin(after_phase("teardown"))
    there = Elsewhere(here, "hosted")
    assert isinstance(here.operator.go_on("finish").error, WrongCluster), "no step of this phase reads the nonce"
    there.assert_untouched()


def test_a_hosted_cluster_that_was_made_anew_on_the_source_is_not_fenced_or_removed() -> None:
    """By GitOps, say: the same management cluster, the same name and infraID, another uid."""
    here = scene()

    def make_anew() -> None:
        source, _ = sides(here)
        old = source.get(r.HOSTED_CLUSTER, "shop", "clusters")
        scale(source, "hypershift", "operator", 0)
        here.world.clock.spend(10)
        source.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"metadata": {"finalizers": None}})
        source.delete(r.HOSTED_CLUSTER, "shop", "clusters", propagation="Orphan")
        here.world.clock.spend(5)
        body = {
            "apiVersion": old["apiVersion"],
            "kind": old["kind"],
            "metadata": {"name": "shop", "namespace": "clusters"},
            "spec": {**old["spec"], "pausedUntil": None},
        }
        source.create(r.HOSTED_CLUSTER, body)

    just_before(here, "verify.await_nodes", make_anew)
    ending = here.operator.relocate()
    assert isinstance(ending.error, WrongCluster)
    assert "its HostedCluster clusters/shop has uid" in ending.error.what
    found = sides(here)[0].get(r.HOSTED_CLUSTER, "shop", "clusters")
    assert dig(found, "spec", "pausedUntil") is None, "what is not known is not put right"


@pytest.mark.parametrize("step", ["backup.export_objects", "restore.hosted_cluster", "teardown.machines"])
def test_a_journal_that_does_not_know_is_held_against_what_the_relocation_left(step: str) -> None:
    """Those of before: they are gone on with where their Lease, their manifest or their HostedCluster is."""
    which: Which
    for which in ("source", "destination"):
        here = stopped(step)
        forget_who(here)
        there = Elsewhere(here, which)
        assert isinstance(ended_with(here.operator.resume), WrongCluster)
        there.assert_untouched()
    here = stopped(step)
    forget_who(here)
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


def forget_who(here: Scene) -> None:
    """As a journal of an older version tells of its case."""
    story = here.operator.story()
    known = {"source_uid", "destination_uid", "hosted_cluster_uid", "cluster_id"}
    case = {key: value for key, value in (story.case or {}).items() if key not in known}
    assert Case.from_json(dict(case)).source_uid == ""
    here.operator.take_over(replace(story, case=case), here.operator.files)


def test_a_backup_is_restored_on_a_destination_that_was_made_anew_but_not_on_the_lost_source() -> None:
    here = scene()
    assert here.operator.back_up_online().error is None
    here.world.clock.spend(60)
    real = here.operator.ports
    here.operator.ports = lambda: replace(real(), destination=real().source)  # type: ignore[method-assign]
    assert isinstance(here.operator.restore_lost().error, SameCluster)
    here.operator.ports = real  # type: ignore[method-assign]
    here.world.die(here.world.sides[0])
    here.world.clock.spend(5)
    story = here.operator.story()
    case = {**(story.case or {}), "destination_uid": "of-the-cluster-that-was-there-then"}
    here.operator.take_over(replace(story, case=case), here.operator.files)
    ending = here.operator.restore_lost()
    assert ending.error is None, ending.error
    assert observation.of(here.world).verdict().instances_terminated == ()
