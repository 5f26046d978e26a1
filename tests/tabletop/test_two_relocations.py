"""Two relocations, the HyperShift operators of which serve both: each stops one, and none in the middle of the other's.

One is the hosted cluster that every test relocates, the other one is its neighbour.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Literal

import pytest

from hcp_dr.engine.journal import FILE_NAME, JournalState, fold
from hcp_dr.errors import CannotMigrate, HcpDrError, MachineUnsafe, OperatorClaimed, TimedOut
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube import resources as r
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Ending, Operator
from hcp_dr_lab.tabletop.world import NAME, World
from tests.tabletop.scene import SETTLE, Scene, forget_the_key, scene, twin, unchecked
from tests.tabletop.test_abort import harm
from tests.tabletop.test_interruption import EVERY_KILL, Left

OTHER = "shop2"
CLAIM = ("hcp-dr.operator", "default")
OPERATOR = ("operator", "hypershift")
EVERY = os.environ.get(EVERY_KILL)


class KilledError(Exception):
    """The process is no more."""


def claims(world: World) -> list[str]:
    """Who has claimed the operator of each side, "" where nobody has."""
    found = [side.client().find(r.LEASE, *CLAIM) for side in world.sides]
    return [lease["spec"]["holderIdentity"] if lease else "" for lease in found]


def replicas(world: World) -> list[tuple[int, int]]:
    """Of the operator of each side: asked for, and ready."""
    found = [side.client().get(r.DEPLOYMENT, *OPERATOR) for side in world.sides]
    return [(each["spec"]["replicas"], each["status"].get("readyReplicas", 0)) for each in found]


def instances(world: World) -> dict[str, str]:
    """The state of each, of both hosted clusters."""
    return {each.instance_id: each.state for each in world.cloud.machines.instances().values()}


@cache
def replicas_before() -> list[tuple[int, int]]:
    return replicas(scene(Shape.NEIGHBOUR).world)


def where(world: World, name: str) -> list[int]:
    """The numbers of the sides that have its HostedCluster."""
    sides = enumerate(world.sides, 1)
    return [number for number, side in sides if side.client().find(r.HOSTED_CLUSTER, name, "clusters")]


MOVED_TOO = ("neighbour", "foreign")
"""What of the verdict on one of the two tells of the other."""


def assert_unharmed(world: World, words: object = "") -> None:
    """Both serve, nothing was lost, and both operators are as they were, with nobody's claim on them."""
    world.clock.spend(SETTLE)
    seen = harm(world)
    assert {what: seen[what] for what in seen if what not in MOVED_TOO} == {}, words
    assert instances(world) == instances(scene(Shape.NEIGHBOUR).world), words
    for name in (NAME, OTHER):
        assert world.hosted_client(name).get(r.NAMESPACE, "default"), words
    assert replicas(world) == replicas_before(), words
    assert claims(world) == ["", ""], words


def written(world: World) -> list[str]:
    """From now on, each request that changes more than the bucket's probe and runs more than its look from a pod."""
    found: list[str] = []

    def count(moment: Literal["before", "after"], request: Request) -> None:
        if moment == "after" and request.writes and request.port != "bucket" and request.verb != "execute":
            found.append(str(request))

    world.hooks.append(count)
    return found


def copied(world: World) -> World:
    hooks, world.hooks = world.hooks, []
    try:
        return world.clone()
    finally:
        world.hooks = hooks


def halts(every: int) -> Iterator[Left]:
    """A relocation of the first, killed at each so-manieth request that writes."""
    here = scene(Shape.NEIGHBOUR)
    left: list[Left] = []
    count = 0

    def remember(moment: Literal["before", "after"], request: Request) -> None:
        nonlocal count
        story = here.operator.story()
        if request.writes and story.case is not None and not story.ended:
            count += 1
            if count % every == 0:
                left.append(Left(f"{moment} {request}", copied(here.world), story, dict(here.operator.files)))

    here.world.hooks.append(remember)
    assert here.operator.relocate().error is None
    yield from left


def taken_over(left: Left) -> Operator:
    operator = Operator(left.world)
    operator.take_over(left.story, left.files)
    return operator


def has_claimed(story: JournalState) -> bool:
    done = story.memory.done
    return (
        "backup.claim_operator" in done
        and story.current != "teardown.operator_back"
        and "teardown.operator_back" not in done
    )


def assert_refused(world: World, backup_id: str, words: str) -> None:
    seen = written(world)
    other = Operator(world, OTHER)
    ending = other.relocate()
    assert isinstance(ending.error, CannotMigrate), words
    said = {check.name: check.seen for check in ending.checks if check.stops}
    assert f"clusters/{NAME} backup {backup_id}" in said["operator_claim.source"], words
    assert (seen, other.story().lines) == ([], ()), words
    world.hooks.clear()


def test_the_second_is_refused_wherever_the_first_is_and_goes_through_when_that_has_ended() -> None:
    refused = went_on = 0
    for number, left in enumerate(halts(1 if EVERY else 29)):
        backup_id = str((left.story.case or {})["backup_id"])
        assert claims(left.world)[0] or not has_claimed(left.story), left.words
        if not claims(left.world)[0]:
            continue
        refused += 1
        assert_refused(left.world, backup_id, left.words)
        if number % 4 and not EVERY:
            continue
        first = taken_over(left)
        if POINT_OF_NO_RETURN not in left.story.memory.acted and number % 8:
            assert first.abort().error is None, left.words
            assert where(left.world, NAME) == [1], left.words
        else:
            assert first.resume().error is None, left.words
        ending = Operator(left.world, OTHER).relocate()
        assert ending.error is None, (left.words, ending.error)
        assert_unharmed(left.world, left.words)
        went_on += 1
    assert refused > 10
    assert went_on > 2


def test_a_backup_alone_is_refused_too_and_what_was_backed_up_is_torn_down_when_it_may() -> None:
    """Phase by phase the operator is claimed by the teardown alone: between the phases days may pass."""
    here = scene(Shape.NEIGHBOUR)
    other = Operator(here.world, OTHER)
    assert other.backup().error is None
    assert other.go_on("restore").error is None
    assert other.go_on("verify").error is None
    assert claims(here.world) == ["", ""]
    stop_at(here.world, here.operator, lambda story: story.current == "restore.pull_images")
    with suppress(KilledError):
        here.operator.relocate()
    here.world.hooks.clear()
    [mine, _] = claims(here.world)
    torn = other.go_on("teardown")
    assert isinstance(torn.error, OperatorClaimed)
    assert torn.exit_code == 64
    assert mine in torn.error.what
    assert where(here.world, OTHER) == [1, 2]
    assert here.operator.resume().error is None
    assert other.resume().error is None
    assert_unharmed(here.world)
    third = Operator(here.world, NAME, source=2)
    stop_at(here.world, third, lambda story: story.current == "backup.mark_parent")
    with suppress(KilledError):
        third.relocate()
    here.world.hooks.clear()
    assert isinstance(Operator(here.world, OTHER, source=2).backup().error, CannotMigrate)


def stop_at(world: World, operator: Operator, there: Callable[[JournalState], bool]) -> None:
    """Kill its process before the next request that writes."""

    def kill(moment: Literal["before", "after"], request: Request) -> None:
        if moment == "before" and request.writes and there(operator.story()):
            raise KilledError

    world.hooks.append(kill)


def makes_claim(request: Request, port: str = "source") -> bool:
    if (request.port, request.verb) != (port, "create") or request.arguments[0] != r.LEASE:
        return False
    return bool(request.arguments[1]["metadata"]["name"] == CLAIM[0])


def with_claim_first(world: World, second: Operator) -> None:
    """When somebody is about to make the first claim, the second one, which has seen none either, makes its own, and
    its process dies."""
    begun: list[bool] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        if not makes_claim(request):
            return
        if moment == "before" and not begun:
            begun.append(True)
            with suppress(KilledError):
                second.relocate()
            begun.append(True)
        elif moment == "after" and len(begun) == 1:
            raise KilledError

    world.hooks.append(listen)


@pytest.mark.usefixtures("nested")
def test_of_two_that_begin_at_the_same_moment_one_goes_on() -> None:
    here = scene(Shape.NEIGHBOUR)
    second = Operator(here.world, OTHER)
    with_claim_first(here.world, second)
    ending = here.operator.relocate()
    here.world.hooks.clear()
    assert isinstance(ending.error, OperatorClaimed)
    assert f"clusters/{OTHER} backup" in ending.error.what
    assert "delete lease -n default hcp-dr.operator" in ending.error.next
    assert here.operator.story().memory.acted == {"backup.claim_operator"}
    assert isinstance(here.operator.resume().error, OperatorClaimed)
    assert second.resume().error is None
    assert here.operator.resume().error is None
    assert (where(here.world, NAME), where(here.world, OTHER)) == ([2], [2])
    assert_unharmed(here.world)


@pytest.mark.usefixtures("nested")
def test_who_came_too_late_may_call_it_off_and_leaves_the_others_claim() -> None:
    here = scene(Shape.NEIGHBOUR)
    second = Operator(here.world, OTHER)
    with_claim_first(here.world, second)
    assert isinstance(here.operator.relocate().error, OperatorClaimed)
    here.world.hooks.clear()
    assert here.operator.abort().error is None
    assert claims(here.world)[0].startswith(f"clusters/{OTHER} backup")
    assert second.abort().error is None
    assert_unharmed(here.world)


def crossing() -> tuple[Scene, Operator]:
    """The first is on the first side, the other one on the second, and each is to go to where the other one is."""
    here = twin(_crossed())
    return here, Operator(here.world, OTHER, source=2)


@cache
def _crossed() -> Scene:
    """Nobody's own: go on with a twin."""
    here = scene(Shape.NEIGHBOUR)
    assert Operator(here.world, OTHER).relocate().error is None
    return here


@pytest.mark.usefixtures("nested")
def test_of_two_that_cross_one_steps_back() -> None:
    here, second = crossing()
    with_claim_first(here.world, second)
    ending = here.operator.relocate()
    here.world.hooks.clear()
    assert isinstance(ending.error, OperatorClaimed)
    assert "MGMT2_KUBECONFIG" in ending.error.next
    assert [who.partition(" ")[0] for who in claims(here.world)] == ["", f"clusters/{OTHER}"]
    assert second.resume().error is None
    assert here.operator.resume().error is None
    assert (where(here.world, NAME), where(here.world, OTHER)) == ([2], [1])
    assert_unharmed(here.world)


def test_a_relocation_off_the_destination_stops_it_before_anything() -> None:
    here, second = crossing()
    stop_at(here.world, second, lambda story: story.current == "backup.fence")
    with suppress(KilledError):
        second.relocate()
    here.world.hooks.clear()
    ending = here.operator.relocate()
    assert isinstance(ending.error, CannotMigrate)
    assert [check.name for check in ending.checks if check.stops] == ["operator_claim.destination"]
    assert second.abort().error is None
    assert here.operator.relocate().error is None
    assert_unharmed(here.world)


def restored_paused(world: World, operator: Operator) -> None:
    """Phase by phase, until its HostedCluster is on the destination."""
    assert operator.backup().error is None
    stop_at(world, operator, lambda story: story.current == "restore.node_pools")
    with suppress(KilledError):
        operator.go_on("restore")
    world.hooks.clear()


@pytest.mark.usefixtures("nested")
def test_two_that_are_called_off_on_one_destination_take_turns() -> None:
    """Else the second would remember as the operator's replicas the zero that the first has made of them."""
    here = scene(Shape.NEIGHBOUR)
    second = Operator(here.world, OTHER)
    restored_paused(here.world, here.operator)
    restored_paused(here.world, second)
    inside: list[Ending] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        deletes = (moment, request.port, request.verb) == ("before", "destination", "delete")
        if deletes and request.arguments[0] == r.HOSTED_CLUSTER and not inside:
            assert replicas(here.world)[1] == (0, 0)
            inside.append(Ending(JournalState()))
            inside.append(second.abort())

    here.world.hooks.append(listen)
    assert here.operator.abort().error is None
    here.world.hooks.clear()
    waited = inside[1].error
    assert isinstance(waited, TimedOut)
    assert f"clusters/{NAME} backup" in waited.what
    assert where(here.world, OTHER) == [1, 2]
    assert second.resume().error is None
    assert (where(here.world, NAME), where(here.world, OTHER)) == ([1], [1])
    assert_unharmed(here.world)


@pytest.mark.usefixtures("nested")
def test_a_relocation_that_begins_while_another_is_called_off_onto_its_destination_is_told() -> None:
    here = scene(Shape.NEIGHBOUR)
    second = Operator(here.world, OTHER)
    restored_paused(here.world, here.operator)
    inside: list[tuple[str, ...]] = []

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        deletes = (moment, request.port, request.verb) == ("before", "destination", "delete")
        if deletes and request.arguments[0] == r.HOSTED_CLUSTER and not inside:
            inside.append(())
            inside.append(tuple(check.seen for check in second.preflight() if check.name.startswith("operator_claim")))

    here.world.hooks.append(listen)
    assert here.operator.abort().error is None
    [_, [source, destination]] = inside
    assert "no other relocation" in source
    assert "is being aborted, and for some minutes keeps the HyperShift operator of the destination" in destination


# Whose claim it is


def stopped_in_teardown(here: Scene, step: str = "teardown.machines") -> None:
    stop_at(here.world, here.operator, lambda story: story.current == step)
    with suppress(KilledError):
        here.operator.relocate()
    here.world.hooks.clear()


def test_a_claim_that_somebody_deleted_keeps_the_operator_from_coming_back_in_anothers_deletions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unchecked(monkeypatch)
    here = scene(Shape.NEIGHBOUR)
    source = here.world.sides[0].client()
    stopped_in_teardown(here)
    source.delete(r.LEASE, *CLAIM)
    second = Operator(here.world, OTHER)
    stop_at(here.world, second, lambda story: story.current == "teardown.cluster")
    with suppress(KilledError):
        assert second.relocate().error is None
    here.world.hooks.clear()
    assert claims(here.world)[0].startswith(f"clusters/{OTHER} ")
    ending = here.operator.resume()
    assert isinstance(ending.error, OperatorClaimed)
    assert replicas(here.world)[0] == (0, 0), "it would finish what the other one has half deleted"
    told = second.resume()
    assert any("has zero replicas" in check.seen for check in told.checks) or told.error is not None
    assert replicas(here.world)[0] == (0, 0)
    assert here.operator.resume().error is None
    if told.error is not None:
        assert second.resume().error is None
    assert_unharmed(here.world)


def test_a_claim_that_somebody_deleted_is_taken_again() -> None:
    here = scene(Shape.NEIGHBOUR)
    stopped_in_teardown(here)
    here.world.sides[0].client().delete(r.LEASE, *CLAIM)
    assert here.operator.resume().error is None
    assert_unharmed(here.world)


def test_who_scales_the_operator_up_in_the_deletions_is_told_from_another_relocation() -> None:
    here = scene(Shape.NEIGHBOUR)
    source = here.world.sides[0].client()
    stopped_in_teardown(here)
    backup_id = (here.operator.story().case or {})["backup_id"]
    assert claims(here.world) == [f"clusters/{NAME} backup {backup_id}", ""]
    source.patch(r.DEPLOYMENT, *OPERATOR, {"spec": {"replicas": 1}})
    here.world.clock.spend(5)
    ending = here.operator.resume()
    assert isinstance(ending.error, MachineUnsafe)
    assert "another client than hcp-dr scaled the operator" in ending.error.what
    source.patch(r.DEPLOYMENT, *OPERATOR, {"spec": {"replicas": 0}})
    here.world.clock.spend(5)
    assert here.operator.resume().error is None
    assert_unharmed(here.world)


def test_a_relocation_that_an_older_release_began_claims_when_it_is_resumed() -> None:
    """Before the point of no return at once, after it when the teardown needs it, also where the operator was stopped
    without; and where it is back, not at all."""
    steps = ("backup.fence", POINT_OF_NO_RETURN, "teardown.machines", "teardown.leftovers")
    for step in steps:
        here = scene(Shape.NEIGHBOUR)
        stopped_in_teardown(here, step)
        told = (line for line in here.operator.story().lines if line.get("step") != "backup.claim_operator")
        here.operator.take_over(fold(told), here.operator.files)
        bucket = here.operator.ports().bucket
        [key] = [item.key for item in bucket.list(f"hcp-dr/clusters/{NAME}/") if item.key.endswith(f"/{FILE_NAME}")]
        bucket.put(key, here.operator.journal_data(), metadata={})
        forget_the_key(here.world)
        with suppress(HcpDrError):
            here.world.sides[0].client().delete(r.LEASE, *CLAIM)
        assert here.operator.resume().error is None, step
        assert_unharmed(here.world, step)


def test_a_claim_that_is_left_is_seen_from_outside() -> None:
    here = scene()
    assert here.operator.relocate().error is None
    left = {"name": CLAIM[0], "namespace": CLAIM[1], "annotations": {"of": f"clusters/{NAME}"}}
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": left, "spec": {"holderIdentity": "it"}}
    here.world.sides[0].client().create(r.LEASE, body)
    assert here.verdict().reasons == ("left on the source: Lease default/hcp-dr.operator",)
