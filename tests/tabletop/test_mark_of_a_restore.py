"""HyperShift's own mark of a restore (rule A11) goes to no destination, whichever way a hosted cluster comes there, and
what it was for comes along without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hcp_dr import upstream
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.objects import ignition
from hcp_dr_lab.hosted.cluster import Options
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Ending, Operator
from tests.tabletop.by_hand import Hands
from tests.tabletop.scene import Scene, observed, scene
from tests.tabletop.test_by_hand import restored
from tests.tabletop.test_dangers import just_before
from tests.tabletop.test_fence_watch import during, lift
from tests.tabletop.test_source_lost import die

MARK = "hypershift.openshift.io/restored-from-backup"
MARKED = {"metadata": {"annotations": {MARK: "true"}}}
OLDER = Options(release="registry.rehearsal.example/ocp-release:4.19.3-x86_64")
"""Its operators know nothing of the mark, so that it stays on whatever bears it."""


def hosted_cluster(cluster: Kubernetes) -> Object:
    return cluster.get(r.HOSTED_CLUSTER, "shop", "clusters")


def mark(cluster: Kubernetes) -> None:
    cluster.patch(r.HOSTED_CLUSTER, "shop", "clusters", MARKED)


def is_marked(item: Object) -> bool:
    return MARK in (item["metadata"].get("annotations") or {})


def values_of(key: str, sent: Any) -> Iterator[Any]:
    """Whatever is said under this key, however deep."""
    if isinstance(sent, dict):
        yield from (value for name, value in sent.items() if name == key)
        for value in sent.values():
            yield from values_of(key, value)
    elif isinstance(sent, list | tuple):
        for value in sent:
            yield from values_of(key, value)


def relocated(here: Scene) -> Ending:
    return here.operator.relocate()


def phase_by_phase(here: Scene) -> Ending:
    assert here.operator.backup().error is None
    return here.operator.go_on("restore")


def after_the_fence_was_lifted(here: Scene) -> Ending:
    during(here, "restore.start_control_plane", lambda: lift(here))
    return here.operator.relocate()


def from_a_backup_made_by_hand(here: Scene) -> Ending:
    hands = Hands(here.world)
    hands.backup()
    assert any(MARK.encode() in content for content in hands.files.values())
    return restored(here, hands)


def without_the_source(here: Scene) -> Ending:
    assert here.operator.back_up_online().error is None
    die(here)
    return here.operator.restore_lost()


@pytest.mark.parametrize(
    "way",
    [relocated, phase_by_phase, after_the_fence_was_lifted, from_a_backup_made_by_hand, without_the_source],
)
def test_one_that_was_restored_before_comes_without_the_mark(way: Callable[[Scene], Ending]) -> None:
    world = observed(OLDER).clone()
    here = Scene(world, Operator(world))
    source, destination = (side.client() for side in world.sides)
    mark(source)
    world.clock.spend(5)
    assert is_marked(hosted_cluster(source))
    sent: list[Any] = []

    def listen(moment: str, request: Request) -> None:
        if moment == "before" and request.writes and request.port != "archive":
            sent.extend(values_of(MARK, request.arguments))

    world.hooks.append(listen)
    ending = way(here)
    assert ending.error is None, ending.error
    assert not is_marked(hosted_cluster(destination))
    assert set(sent) == {None}, "it is taken away in the patch that lets the operators go, and never given"


def test_no_file_of_a_backup_has_it() -> None:
    world = observed(OLDER).clone()
    here = Scene(world, Operator(world))
    mark(world.sides[0].client())
    assert here.operator.backup().error is None
    assert [path for path, content in here.operator.files.items() if MARK.encode() in content] == []


def test_what_somebody_marks_before_it_starts_keeps_its_volumes() -> None:
    here = scene()
    just_before(here, "restore.start_control_plane", lambda: mark(here.world.sides[1].client()))
    assert here.operator.relocate().error is None
    assert not is_marked(hosted_cluster(here.world.sides[1].client()))
    assert here.verdict().reasons == ()


def test_what_somebody_marks_while_it_starts_keeps_its_volumes() -> None:
    here = scene()
    destination = here.world.sides[1].client()
    done: list[Request] = []

    def listen(moment: str, request: Request) -> None:
        un_paused = (
            request.port == "destination" and request.verb == "patch" and request.arguments[0] == r.HOSTED_CLUSTER
        )
        if (
            moment == "after"
            and un_paused
            and here.operator.story().current == "restore.start_control_plane"
            and not done
        ):
            done.append(request)
            mark(destination)

    here.world.hooks.append(listen)
    assert here.operator.relocate().error is None
    assert done
    assert not is_marked(hosted_cluster(destination))
    assert here.verdict().reasons == ()


def said(here: Scene) -> dict[str, str | None]:
    pools = here.world.sides[1].client().list(r.NODE_POOL, "clusters").items
    return {pool["metadata"]["name"]: ignition.reached_status(pool) for pool in pools}


def test_every_pool_says_of_ignition_what_it_said() -> None:
    """One that was upgraded in place goes by a token secret that no machine ever used; one without machines by none."""
    here = scene(Shape.THREE_POOLS)
    source = here.world.sides[0].client()
    [token] = [
        item["metadata"]["name"]
        for item in source.list(r.SECRET, "clusters-shop").items
        if ignition.is_token(item) and "in-place" in item["metadata"]["name"]
    ]
    unused = {"metadata": {"annotations": {upstream.IGNITION_REACHED: None}}}
    source.patch(r.SECRET, token, "clusters-shop", unused)
    here.world.clock.spend(5)
    before = {
        pool["metadata"]["name"]: ignition.reached_status(pool) for pool in source.list(r.NODE_POOL, "clusters").items
    }
    assert before == {"shop-workers": "True", "shop-in-place": "True", "shop-spare": "False"}
    ending = here.operator.relocate()
    assert ending.error is None
    assert said(here) == before
    assert [check.name for check in ending.checks if check.name == "ignition"] == []
    assert here.verdict().reasons == ()


def test_a_pool_that_does_not_say_so_any_more_is_told_with_the_command_that_mends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lost(secret: Object, _pools: object) -> Object:
        meta = secret["metadata"]
        kept = {key: value for key, value in meta["annotations"].items() if key != upstream.IGNITION_REACHED}
        return {**secret, "metadata": {**meta, "annotations": kept}}

    monkeypatch.setattr(ignition, "mark_reached", lost)
    here = scene()
    assert here.operator.backup().error is None
    assert here.operator.go_on("restore").error is None
    assert said(here) == {"shop-workers": "False"}
    [told] = [check for check in here.operator.go_on("verify").checks if check.name == "ignition"]
    assert told.verdict == "warning"

    command = told.todo.partition("`")[2].partition("`")[0].split()
    assert command[:4] == ["oc", "annotate", "secret", "-n"]
    namespace, name, (key, _, value) = command[4], command[5], command[6].partition("=")
    here.world.sides[1].client().patch(r.SECRET, name, namespace, {"metadata": {"annotations": {key: value}}})
    here.world.clock.spend(5)
    assert said(here) == {"shop-workers": "True"}
    assert [check for check in here.operator.go_on("verify").checks if check.name == "ignition"] == []
