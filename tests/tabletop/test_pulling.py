"""The control plane's images are pulled on the destination while its API still serves; one that cannot be had is found
then, and not behind the fence."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.engine.step import Check
from hcp_dr.errors import DONE_WITH_WARNINGS, AlreadyExists, Forbidden, NotOurs, ServerBusy, TimedOut
from hcp_dr.hypershift import timeouts
from hcp_dr.hypershift.images.prepull import LABEL
from hcp_dr.hypershift.state import PULLED
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Completed, Object
from hcp_dr.model import PREPARED_ANNOTATION, RELOCATION_ANNOTATION
from hcp_dr.procedure.restore.pull_images import LEFT_OUT
from hcp_dr_lab.ground.names import CONTROL_PLANE_IMAGE, IDLE_IMAGE
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.standin.shape import body
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.kubelet import Kubelet
from hcp_dr_lab.tabletop.operator import Ending
from tests.tabletop.scene import Scene, scene, unguarded
from tests.tabletop.test_abort import assert_as_before, boundaries, taken_over
from tests.tabletop.test_dangers import OWN, just_before, sides
from tests.tabletop.test_rights import restricted

STEP = "restore.pull_images"
NO_HOST = "dial tcp: lookup registry.example.com: no such host"
OTHER = "node-z"


def pods_that_pull(here: Scene) -> list[str]:
    found = sides(here)[1].list(r.POD, labels=LABEL).items
    return [pod["metadata"]["name"] for pod in found]


def another_node(here: Scene) -> Kubelet:
    """On the destination, beside the one that runs everything."""
    world, side = here.world, here.world.sides[1]
    labels = {"kubernetes.io/hostname": OTHER}
    side.client().create(r.NODE, body(r.NODE, OTHER, labels=labels))
    room = {"cpu": "8", "memory": "32Gi", "pods": "250"}
    status = {"conditions": [{"type": "Ready", "status": "True"}], "allocatable": room}
    side.client().patch(r.NODE, OTHER, None, {"status": status}, subresource="status")
    kubelet = Kubelet(
        OTHER,
        "10.77.1",
        clock=world.clock,
        chance=world.chance,
        reach=side.reached,
        fetch=world.cloud.storage.request,
    )
    world.clock.parts.append(kubelet)
    first = side.server.execute
    assert first is not None

    def execute(pod: Object, *words: Any) -> Completed:
        return kubelet.execute(pod, *words) if pod["spec"].get("nodeName") == OTHER else first(pod, *words)

    side.server.execute = execute
    return kubelet


def warnings(ending: Ending) -> list[Check]:
    return [check for check in ending.checks if check.name.startswith("images.")]


def seconds_in(here: Scene) -> float:
    return here.operator.story().seconds_of_steps()[STEP]


def test_every_node_has_the_images_before_the_fence_and_no_pod_stays() -> None:
    here = scene()
    another_node(here)
    before: list[object] = []
    just_before(here, "backup.fence", lambda: before.append(pods_that_pull(here)))
    ending = here.operator.relocate()
    assert (ending.error, warnings(ending)) == (None, [])
    assert before == [[]]
    assert pods_that_pull(here) == []
    pulled = ending.story.memory.get(PULLED)
    assert pulled is not None
    assert list(pulled.images) == [
        f"{CONTROL_PLANE_IMAGE.removesuffix(':1')}-operator:1",
        CONTROL_PLANE_IMAGE,
        IDLE_IMAGE,
    ]
    assert sorted(pulled.nodes) == ["mgmt-2-node", OTHER]
    assert here.verdict().reasons == ()


def test_an_image_that_no_node_can_pull_ends_it_before_the_fence() -> None:
    """Called off, all is as it was; mended, it goes on from there."""
    here = scene()
    kubelet = here.world.sides[1].kubelet
    kubelet.unpullable[CONTROL_PLANE_IMAGE] = NO_HOST
    ending = here.operator.relocate()
    assert isinstance(ending.error, TimedOut)
    for words in (CONTROL_PLANE_IMAGE, "mgmt-2-node", NO_HOST, "The hosted API still serves", "hcp-dr abort"):
        assert words in ending.error.paragraph()
    assert "backup.fence" not in ending.story.memory.begun
    assert here.world.hosted_client().list(r.NODE).items, "the hosted API serves"

    mended = scene()
    mended.world.sides[1].kubelet.unpullable[CONTROL_PLANE_IMAGE] = NO_HOST
    assert mended.operator.relocate().error is not None
    mended.world.sides[1].kubelet.unpullable.clear()
    assert mended.operator.resume().error is None
    assert mended.verdict().reasons == ()

    assert here.operator.abort().error is None
    assert pods_that_pull(here) == []
    assert_as_before(here.world, ())


def test_an_image_that_one_of_two_nodes_lacks_is_a_warning() -> None:
    here = scene()
    another_node(here).unpullable[IDLE_IMAGE] = NO_HOST
    ending = here.operator.relocate()
    assert ending.error is None
    [check] = warnings(ending)
    assert (check.name, check.verdict) == ("images.lacking", "warning")
    assert check.seen == f"{OTHER} lacks {IDLE_IMAGE} (ImagePullBackOff: {NO_HOST})"
    assert ending.exit_code == DONE_WITH_WARNINGS
    limit = timeouts.IMAGES_PULLED.seconds
    assert limit <= seconds_in(here) < limit + 30
    assert pods_that_pull(here) == []
    assert here.verdict().reasons == ()


def test_what_the_source_cannot_pull_either_is_left_out() -> None:
    here = scene()
    source, _ = sides(here)
    vain = body(r.POD, "vain", OWN, spec={"containers": [{"name": "vain", "image": "registry.example.com/gone:1"}]})
    for side in here.world.sides:
        side.kubelet.unpullable["registry.example.com/gone:1"] = NO_HOST
    vain["metadata"]["labels"] = {"hypershift.openshift.io/control-plane-component": "vain"}
    source.create(r.POD, vain)
    here.world.clock.spend(1)
    ending = here.operator.relocate()
    assert ending.error is None
    assert [check.name for check in warnings(ending)] == ["images.withheld"]


def test_a_node_that_goes_away_is_not_waited_for() -> None:
    here = scene()
    _, destination = sides(here)
    another_node(here).unpullable[IDLE_IMAGE] = NO_HOST

    def gone(moment: str, request: Request) -> None:
        if moment == "after" and request.verb == "create" and getattr(request.arguments[0], "kind", "") == "Pod":
            status = {"conditions": [{"type": "Ready", "status": "Unknown"}]}
            destination.patch(r.NODE, OTHER, None, {"status": status}, subresource="status")

    here.world.hooks.append(gone)
    ending = here.operator.relocate()
    assert (ending.error, warnings(ending)) == (None, [])
    assert seconds_in(here) < 30
    assert pods_that_pull(here) == []


def test_somebody_elses_pod_of_that_name_is_left_alone() -> None:
    here = scene()
    _, destination = sides(here)
    planned = next(step for step in here.operator.plan() if step.name == STEP)
    name = next(text for text in planned.actions if text.startswith("create")).rpartition("/")[2]
    theirs = body(r.POD, name, OWN, spec={"containers": [{"name": "mine", "image": IDLE_IMAGE}]})

    def intrude() -> None:
        destination.create(r.POD, theirs)

    just_before(here, STEP, intrude)
    ending = here.operator.relocate()
    assert isinstance(ending.error, NotOurs)
    assert RELOCATION_ANNOTATION not in destination.get(r.POD, name, OWN)["metadata"].get("annotations", {})
    destination.delete(r.POD, name, OWN)
    here.world.clock.spend(1)
    assert here.operator.resume().error is None


@pytest.mark.parametrize("refusal", [ServerBusy, AlreadyExists])
def test_a_refused_pod_is_made_a_little_later(refusal: type) -> None:
    """In a namespace that is new its ServiceAccount may not be there yet; an answer may be lost."""
    here = scene()
    refused: list[str] = []

    def refuse(moment: str, request: Request) -> None:
        made = request.port == "destination" and request.verb == "create" and here.operator.story().current == STEP
        if made and moment == ("before" if refusal is ServerBusy else "after") and not refused:
            refused.append("once")
            raise refusal(cluster="destination", verb="create", object="Pod", reason="not yet")

    here.world.hooks.append(refuse)
    assert here.operator.relocate().error is None
    assert refused


def test_killed_at_each_of_its_actions_it_is_resumed_or_called_off() -> None:
    found = boundaries(step=STEP)
    assert {left.words.split()[2] for left in found} >= {"create", "delete"}
    for left in found:
        world, operator = taken_over(left)
        assert operator.resume().error is None, left.words
        assert pods_that_pull(Scene(world, operator)) == [], left.words
        world, operator = taken_over(left)
        assert operator.abort().error is None, left.words
        assert pods_that_pull(Scene(world, operator)) == [], left.words
        assert_as_before(world, (), left.words)


def test_called_off_with_nothing_but_the_printed_roles_a_prepared_namespace_is_left_empty() -> None:
    here = restricted()
    here.world.sides[1].kubelet.unpullable[IDLE_IMAGE] = NO_HOST
    assert isinstance(here.operator.relocate().error, TimedOut)
    assert len(pods_that_pull(here)) == 1
    assert here.operator.abort().error is None
    _, destination = sides(here)
    assert PREPARED_ANNOTATION in destination.get(r.NAMESPACE, OWN)["metadata"]["annotations"]
    assert destination.list(r.POD, OWN).items == ()


def test_a_control_plane_of_three_members_is_pulled_once_a_node(monkeypatch: pytest.MonkeyPatch) -> None:
    unguarded(monkeypatch)
    here = scene(Shape.FIXED_MEMBERS)
    made: list[str] = []

    def count(moment: str, request: Request) -> None:
        if moment == "after" and request.verb == "create" and here.operator.story().current == STEP:
            made.append(request.arguments[1]["metadata"]["name"])

    here.world.hooks.append(count)
    assert here.operator.relocate().error is None
    assert len(made) == 1


def test_where_a_policy_refuses_the_pods_somebody_can_go_on_without() -> None:
    here = scene()

    def refuse(moment: str, request: Request) -> None:
        made = request.port == "destination" and request.verb == "create" and here.operator.story().current == STEP
        if moment == "before" and made:
            raise Forbidden(cluster="destination", verb="create", object="Pod", reason="a policy is against it")

    here.world.hooks.append(refuse)
    ending = here.operator.relocate()
    assert isinstance(ending.error, Forbidden)
    assert "`hcp-dr resume --no-pull-images`." in ending.error.paragraph()
    ending = here.operator.resume(pull_images=False)
    assert ending.error is None
    assert [check.name for check in warnings(ending)] == ["images.left_out"]
    assert here.verdict().reasons == ()


def test_what_was_begun_is_cleared_away_when_somebody_goes_on_without() -> None:
    here = scene()
    here.world.sides[1].kubelet.unpullable[IDLE_IMAGE] = NO_HOST
    assert isinstance(here.operator.relocate().error, TimedOut)
    assert pods_that_pull(here)
    here.world.sides[1].kubelet.unpullable.clear()
    assert here.operator.resume(pull_images=False).error is None
    assert pods_that_pull(here) == []
    assert here.operator.story().memory.get(PULLED) == LEFT_OUT
