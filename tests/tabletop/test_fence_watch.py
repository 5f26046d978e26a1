"""Somebody lifts the fence (rule C3): before the point of no return the snapshot is void, after it the source is closed
again at once. Without the watch the same acts are dangers (test_dangers)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal

import pytest

from hcp_dr.engine.step import Check
from hcp_dr.errors import ClusterUnreachable, FenceBroken, SnapshotDoubtful
from hcp_dr.hypershift.dns import watch as dns_watch
from hcp_dr.hypershift.fence import watch as fence_watch
from hcp_dr.hypershift.state import BREACHES, FENCE, Breach
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes
from hcp_dr.objects.archive import Manifest
from hcp_dr.objects.reading import name_of
from hcp_dr_lab.ground.layout import BUCKET
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Ending
from tests.tabletop.scene import Scene, scene

OWN = "clusters-shop"


class Killed(BaseException):
    """The product's process is gone."""


def source(here: Scene) -> Kubernetes:
    return here.world.sides[0].client(manager="gitops")


def lift(here: Scene) -> None:
    """As GitOps does it: the pause away, the keeper back, whose operator brings back the rest."""
    source(here).patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": None}})
    scale(here, "control-plane-operator", 1)


def scale(here: Scene, deployment: str, replicas: int) -> None:
    source(here).patch(r.DEPLOYMENT, deployment, OWN, {"spec": {"replicas": replicas}})


def during(here: Scene, step: str, act: Callable[[], None], *, times: int = 1) -> None:
    """When the product asks something in this step; each time that it is begun anew, so many times."""
    done: list[int] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        story = here.operator.story()
        begun = sum(1 for line in story.lines if line["line"] == "step" and line["step"] == step)
        if moment == "before" and request.port != "archive" and story.current == step and begun > len(done) < times:
            done.append(begun)
            act()

    here.world.hooks.append(listen)


def replicas(here: Scene) -> dict[str, int]:
    found = source(here).list(r.DEPLOYMENT, OWN).items
    return {item["metadata"]["name"]: item["spec"]["replicas"] for item in found}


def breaches(ending: Ending) -> tuple[Breach, ...]:
    return ending.story.memory.get(BREACHES) or ()


def warned(ending: Ending) -> list[Check]:
    return [check for check in ending.checks if check.name == fence_watch.WATCH_NAME]


@pytest.mark.parametrize(
    "step",
    ["backup.snapshot_etcd", "backup.release_dns", "restore.node_pools", "restore.start_control_plane"],
)
def test_before_the_point_of_no_return_all_since_the_pause_is_done_anew(step: str) -> None:
    here = scene()
    during(here, step, lambda: lift(here))
    ending = here.operator.relocate()
    assert ending.error is None
    [breach] = breaches(ending)
    assert breach.released is False
    assert breach.closed is not None
    assert breach.closed > breach.seen
    [check] = warned(ending)
    assert check.verdict == "warning"
    assert "its HostedCluster is no longer paused" in check.seen
    assert "gitops at" in check.seen
    fence = ending.story.memory.get(FENCE)
    assert fence is not None
    assert fence.id != breach.fence
    manifest = Manifest.from_text(here.operator.files["manifest.json"])
    assert manifest.fence == fence.id
    assert manifest.snapshot is not None
    assert manifest.snapshot.fence == fence.id
    verdict = here.verdict()
    assert verdict.lost == ()
    assert verdict.reasons == ()


def test_what_is_changed_while_the_fence_is_lifted_reaches_objects_that_were_made_already() -> None:
    """GitOps does not lift the pause alone: it brings its own spec."""
    here = scene()
    there = here.world.sides[1].client()

    def apply() -> None:
        assert there.list(r.HOSTED_CLUSTER).items
        assert there.list(r.NODE_POOL).items
        spec = {"channel": "stable", "configuration": {"proxy": {"noProxy": "example.com"}}}
        source(here).patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": spec})
        [pool] = source(here).list(r.NODE_POOL).items
        source(here).patch(r.NODE_POOL, name_of(pool), "clusters", {"spec": {"nodeDrainTimeout": "5m"}})
        lift(here)

    during(here, "restore.refresh_external_dns", apply)
    ending = here.operator.relocate()
    assert ending.error is None
    assert len(breaches(ending)) == 1
    moved = there.get(r.HOSTED_CLUSTER, "shop", "clusters")["spec"]
    assert (moved["channel"], moved["configuration"]) == ("stable", {"proxy": {"noProxy": "example.com"}})
    assert [pool["spec"].get("nodeDrainTimeout") for pool in there.list(r.NODE_POOL).items] == ["5m"]
    assert here.verdict().reasons == ()


def test_a_password_in_a_spec_that_is_carried_again_is_nowhere_to_be_read() -> None:
    """It reaches the destination, and neither the journal, nor its mirror, nor the progress."""
    here = scene()
    proxy = {"httpProxy": "http://user:pa55word@proxy.example:3128"}

    def apply() -> None:
        spec = {"configuration": {"proxy": proxy}}
        source(here).patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": spec})
        lift(here)

    during(here, "restore.refresh_external_dns", apply)
    ending = here.operator.relocate()
    assert ending.error is None
    moved = here.world.sides[1].client().get(r.HOSTED_CLUSTER, "shop", "clusters")["spec"]
    assert moved["configuration"] == {"proxy": proxy}
    assert '"proxy\\": \\"(hidden)' in json.dumps([dict(line) for line in ending.story.lines])
    told = [progress.text for progress in here.operator.told]
    mirrored = here.world.cloud.storage
    stored = [mirrored.get(BUCKET, key).body for key in mirrored.keys_of(BUCKET, "hcp-dr/") if key.endswith(".jsonl")]
    assert stored
    for text in (json.dumps([dict(line) for line in ending.story.lines]), *told, *map(str, stored)):
        assert "pa55word" not in text


def test_after_it_the_source_is_closed_again_at_once() -> None:
    here = scene()
    during(here, "verify.await_nodes", lambda: lift(here))
    ending = here.operator.relocate()
    assert ending.error is None
    [breach] = breaches(ending)
    assert breach.released is True
    [check] = warned(ending)
    assert "lost" in check.why or "nothing was written" in check.seen
    told = [
        (progress.kind, progress.text) for progress in here.operator.told if progress.step == fence_watch.WATCH_NAME
    ]
    assert told[0][0] == "warned"
    assert "gitops at" in told[0][1]
    verdict = here.verdict()
    assert not verdict.split_brain
    assert verdict.lost == ()


def test_a_source_that_took_writes_meanwhile_is_told_with_its_window() -> None:
    """The product is away for as long as a control plane needs to come up."""
    here = scene()

    def lift_for_long() -> None:
        lift(here)
        here.world.clock.spend(20)

    during(here, "verify.await_nodes", lift_for_long)
    ending = here.operator.relocate()
    assert ending.error is None
    [check] = warned(ending)
    assert "its API was up" in check.seen
    assert "is lost; there is no record of what was written" in check.why
    assert "Z, the time of the last fence" in check.why


def test_a_writer_that_came_and_went_between_two_looks_is_known() -> None:
    here = scene()

    def up_and_down() -> None:
        scale(here, "kube-apiserver", 1)
        scale(here, "kube-apiserver", 0)

    during(here, "restore.start_control_plane", up_and_down)
    ending = here.operator.relocate()
    assert ending.error is None
    [breach] = breaches(ending)
    assert "changed since the fence: kube-apiserver" in breach.what
    assert breach.released is False
    assert here.verdict().reasons == ()


def test_who_lifts_it_again_and_again_has_to_be_stopped() -> None:
    here = scene()
    during(here, "backup.snapshot_etcd", lambda: lift(here), times=fence_watch.RESTARTS_AT_MOST)
    ending = here.operator.relocate()
    assert isinstance(ending.error, FenceBroken)
    assert "gitops at" in ending.error.what
    assert f"(time {fence_watch.RESTARTS_AT_MOST})" in ending.error.what
    assert replicas(here)["kube-apiserver"] == 0
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


def test_a_restore_alone_cannot_fence_anew_and_never_starts_from_a_void_snapshot() -> None:
    here = scene()
    assert here.operator.backup().error is None
    during(here, "restore.start_control_plane", lambda: lift(here))
    ending = here.operator.go_on("restore")
    assert isinstance(ending.error, FenceBroken)
    again = here.operator.go_on("restore")
    assert isinstance(again.error, SnapshotDoubtful)
    paused = here.world.sides[1].client().get(r.HOSTED_CLUSTER, "shop", "clusters")["spec"]["pausedUntil"]
    assert paused == "true"
    assert not here.verdict().split_brain


def test_a_source_that_dies_after_the_point_of_no_return_keeps_no_api_away() -> None:
    here = scene()
    dead: list[bool] = []

    def die(moment: Literal["before", "after"], request: Request) -> None:
        if (moment, request.port, request.verb) == ("after", "destination", "patch") and request.arguments[:1] == (
            r.HOSTED_CLUSTER,
        ):
            dead.append(True)
        if dead and moment == "before" and request.port == "source":
            raise ClusterUnreachable(cluster="source", verb="get", object="its API", reason="connection refused")

    here.world.hooks.append(die)
    ending = here.operator.relocate()
    assert isinstance(ending.error, ClusterUnreachable)
    assert ending.story.current == "teardown.stop_control_plane"
    assert "verify.hosted_api" in ending.story.memory.done
    told = {(progress.step, progress.text) for progress in here.operator.told if progress.kind == "warned"}
    why = "The API server of the source cluster did not answer (get its API: connection refused)."
    assert told == {
        (name, f"cannot evaluate this watch: {why}") for name in (fence_watch.WATCH_NAME, dns_watch.WATCH_NAME)
    }
    here.world.hooks.remove(die)
    assert here.operator.resume().error is None
    assert here.verdict().reasons == ()


def test_killed_while_the_source_is_closed_again_and_resumed() -> None:
    for place in range(1, 40, 6):
        here = scene()
        during(here, "verify.await_nodes", lambda here=here: lift(here))  # type: ignore[misc]
        left = [place]

        def kill(
            moment: Literal["before", "after"], request: Request, here: Scene = here, left: list[int] = left
        ) -> None:
            if moment == "before" and here.operator.story().memory.values.get(BREACHES.name) and request.writes:
                left[0] -= 1
                if left[0] == 0:
                    raise Killed

        here.world.hooks.append(kill)
        try:
            here.operator.relocate()
        except Killed:
            here.world.hooks.remove(kill)
            assert here.operator.resume().error is None, place
        verdict = here.verdict()
        assert verdict.lost == (), place
        assert not verdict.split_brain, place
