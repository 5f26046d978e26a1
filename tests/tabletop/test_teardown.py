"""Teardown on a source that is not as one would wish: volumes that would go, operators that were stopped before."""

from __future__ import annotations

from typing import Literal

from hcp_dr.errors import Contested
from hcp_dr.kube import resources as r
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.gate import Request
from tests.tabletop.scene import Scene, scene

OWN = "clusters-shop"
DELETE = {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}}
CLEANUP = "hypershift.openshift.io/cleanup-cloud-resources"


def let_volumes_go(here: Scene) -> None:
    here.world.sides[0].client(manager="someone").patch(r.STATEFUL_SET, "etcd", OWN, DELETE)


def before_teardown(here: Scene, act: object) -> None:
    done: list[bool] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        del request
        if moment == "before" and not done and here.operator.story().current == "teardown.stop_control_plane":
            done.append(True)
            act()  # type: ignore[operator]

    here.world.hooks.append(listen)


def intents(here: Scene) -> list[str]:
    return [action for line in here.operator.story().of_kind("intent") for action in line.texts("actions")]


def test_volumes_that_would_go_are_retained_before_anything_is_scaled() -> None:
    here = scene()
    before_teardown(here, lambda: let_volumes_go(here))
    assert here.operator.relocate().error is None
    acts = [text for text in intents(here) if "StatefulSet clusters-shop/etcd" in text and "on source" in text]
    assert [("Retain" in text, "replicas" in text) for text in acts] == [(True, False), (False, True)]
    assert here.verdict().reasons == ()


def test_who_lets_the_volumes_go_again_and_again_is_named_and_nothing_is_scaled() -> None:
    here = scene()

    def contest(moment: Literal["before", "after"], request: Request) -> None:
        if (moment, request.port, request.verb, request.arguments[:1]) == (
            "after",
            "source",
            "patch",
            (r.STATEFUL_SET,),
        ):
            let_volumes_go(here)

    def begin() -> None:
        let_volumes_go(here)
        here.world.hooks.append(contest)

    before_teardown(here, begin)
    ending = here.operator.relocate()
    assert isinstance(ending.error, Contested)
    assert "someone" in ending.error.what
    etcd = here.world.sides[0].client().get(r.STATEFUL_SET, "etcd", OWN)
    assert etcd["spec"]["replicas"] == 1
    operator = here.world.sides[0].client().get(r.DEPLOYMENT, "operator", "hypershift")
    assert operator["spec"]["replicas"] > 0, "the operator is not away while nobody gets any further"


def test_an_order_to_clean_the_cloud_goes_from_both_sides_first() -> None:
    here = scene()

    def order() -> None:
        for side in here.world.sides:
            for resource, namespace in ((r.HOSTED_CLUSTER, "clusters"), (r.HOSTED_CONTROL_PLANE, OWN)):
                annotated = {"metadata": {"annotations": {CLEANUP: "true"}}}
                side.client(manager="someone").patch(resource, "shop", namespace, annotated)

    before_teardown(here, order)
    assert here.operator.relocate().error is None
    assert here.verdict().reasons == ()
    there = here.world.sides[1].client()
    assert CLEANUP not in there.get(r.HOSTED_CLUSTER, "shop", "clusters")["metadata"].get("annotations", {})
    assert CLEANUP not in there.get(r.HOSTED_CONTROL_PLANE, "shop", OWN)["metadata"].get("annotations", {})


def test_an_operator_that_was_at_zero_before_stays_so_and_it_is_said() -> None:
    here = scene()
    source = here.world.sides[0].client()
    before_teardown(here, lambda: source.patch(r.DEPLOYMENT, "operator", "hypershift", {"spec": {"replicas": 0}}))
    ending = here.operator.relocate()
    assert source.get(r.DEPLOYMENT, "operator", "hypershift")["spec"]["replicas"] == 0
    because = {line.step: line.text("because") or "" for line in ending.story.of_kind("done")}
    assert because["teardown.operator_back"] == "the source's HyperShift operator was at zero before, and stays at zero"
    assert "set by no known relocation" in because["teardown.stop_control_plane"]
    told = [check for line in ending.story.of_kind("done") for check in line.checks]
    [warning] = [check for check in told if check["name"] == "operator.source"]
    assert (warning["verdict"], "scale deployment operator" in str(warning["todo"])) == ("warning", True)
    assert ending.exit_code != 0
    if ending.error is not None:
        assert "no webhook converts versions" in ending.error.what


def test_a_neighbour_has_its_operator_for_all_but_the_deletions() -> None:
    here = scene(Shape.NEIGHBOUR)
    assert here.operator.relocate().error is None
    verdict = here.verdict()
    assert verdict.reasons == ()
    acts = intents(here)
    last_scaled = max(n for n, text in enumerate(acts) if "StatefulSet clusters-shop/etcd" in text)
    stopped = next(n for n, text in enumerate(acts) if "Deployment hypershift/operator" in text)
    assert last_scaled < stopped
