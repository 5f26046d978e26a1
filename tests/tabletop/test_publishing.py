"""The fence is lifted after the point of no return and before the API answers by its name: the source publishes the
names again. The source is fenced again, and everything that it published is removed, so that the API comes back.

Writes that the source acknowledged in between are lost, and are reported: test_fence_watch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest

from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes
from hcp_dr_lab.tabletop.gate import Request
from tests.tabletop.scene import Scene, scene
from tests.tabletop.test_fence_watch import OWN, Killed, breaches, lift, source

SHORT, LONG = 4.0, 25.0
"""Seconds: for a Route and its record; for an API server that serves."""


def unpaused(here: Scene) -> bool:
    there = here.world.sides[1].client().find(r.HOSTED_CLUSTER, "shop", "clusters")
    return there is not None and "pausedUntil" not in there["spec"]


def once(here: Scene, when: Callable[[Request], bool], act: Callable[[], None]) -> None:
    done: list[bool] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        if moment == "before" and not done and when(request):
            done.append(True)
            act()

    here.world.hooks.append(listen)


def in_step(here: Scene, step: str) -> Callable[[Request], bool]:
    def when(_: Request) -> bool:
        return here.operator.story().current == step and (step != POINT_OF_NO_RETURN or unpaused(here))

    return when


def lifted_for(here: Scene, seconds: float) -> Callable[[], None]:
    def act() -> None:
        lift(here)
        here.world.clock.spend(seconds)

    return act


def published(cluster: Kubernetes) -> list[str]:
    return [item["metadata"]["name"] for item in cluster.list(r.ROUTE, OWN).items]


def check_moved(here: Scene) -> None:
    """The API answers by its name, from the destination, and the source publishes nothing."""
    records = here.operator.ports().zone.records()
    owners = {part for each in records for part in each.values if "/clusters-shop/" in part}
    assert any("owner=mgmt-2" in part for part in owners)
    assert not any("owner=mgmt-1" in part for part in owners), owners
    assert not here.world.sides[0].client().list(r.ROUTE, OWN).items
    assert here.world.sides[1].api(OWN) is not None


@pytest.mark.parametrize("seconds", [SHORT, LONG])
@pytest.mark.parametrize("step", [POINT_OF_NO_RETURN, "restore.adopt_machines", "verify.publish_api"])
@pytest.mark.parametrize("dns", ["release", "takeover", "handover"])
def test_what_the_source_publishes_again_is_removed(dns: str, step: str, seconds: float) -> None:
    here = scene()
    once(here, in_step(here, step), lifted_for(here, seconds))
    ending = here.operator.relocate(dns=dns)  # type: ignore[arg-type]
    assert ending.error is None
    assert len(breaches(ending)) == 1
    check_moved(here)


@pytest.mark.parametrize("place", range(1, 120, 17))
def test_at_any_moment_of_the_window(place: int) -> None:
    here = scene()
    left = [place]

    def when(_: Request) -> bool:
        if unpaused(here) and "verify.publish_api" not in here.operator.story().memory.done:
            left[0] -= 1
        return left[0] == 0

    once(here, when, lifted_for(here, SHORT))
    assert here.operator.relocate().error is None
    check_moved(here)


def test_killed_in_the_window_it_resumes() -> None:
    for place in range(1, 30, 4):
        here = scene()
        once(here, in_step(here, POINT_OF_NO_RETURN), lifted_for(here, SHORT))
        left = [place]

        def kill(
            moment: Literal["before", "after"], request: Request, here: Scene = here, left: list[int] = left
        ) -> None:
            if moment == "before" and request.writes and here.operator.story().memory.values.get("fence_breaches"):
                left[0] -= 1
                if left[0] == 0:
                    raise Killed

        here.world.hooks.append(kill)
        try:
            assert here.operator.relocate().error is None, place
        except Killed:
            here.world.hooks.remove(kill)
            here.world.clock.spend(120)
            assert here.operator.resume().error is None, place
        check_moved(here)


def test_a_source_that_published_while_no_command_ran() -> None:
    """Its records stay when its external-dns is down again, and its Routes are gone."""
    here = scene()

    def stop(_: Request) -> bool:
        return here.operator.story().current == "verify.publish_api"

    def away() -> None:
        raise Killed

    once(here, stop, away)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    lift(here)
    here.world.clock.spend(LONG)
    back = source(here)
    back.patch(r.HOSTED_CLUSTER, "shop", "clusters", {"spec": {"pausedUntil": "true"}})
    for name in ("control-plane-operator", "kube-apiserver", "openshift-apiserver", "openshift-oauth-apiserver"):
        back.patch(r.DEPLOYMENT, name, OWN, {"spec": {"replicas": 0}})
    back.patch(r.DEPLOYMENT, "external-dns", "hypershift", {"spec": {"replicas": 0}})
    here.world.clock.spend(60)
    for name in published(back):
        back.delete(r.ROUTE, name, OWN)
    assert here.operator.resume().error is None
    check_moved(here)
