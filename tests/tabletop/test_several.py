"""Several commands on hosted clusters with shared HyperShift operators: each is stopped at a mark while the others go
on to theirs, then all are carried to their ends.

The marks are both sides of each write to what the commands share, and the beginnings of some steps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import pytest

from hcp_dr.engine.journal import JournalState
from hcp_dr.errors import TimedOut
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube import resources as r
from hcp_dr_lab.hosted.cluster import Options, Pool
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.observer.tabletop import EASY, Observation
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Ending, Operator
from hcp_dr_lab.tabletop.world import NAME, World
from tests.tabletop.scene import scene
from tests.tabletop.test_interruption import EVERY_KILL
from tests.tabletop.test_two_relocations import (
    CLAIM,
    OPERATOR,
    OTHER,
    assert_unharmed,
    claims,
    restored_paused,
    where,
)

pytestmark = pytest.mark.usefixtures("impatient")
EVERY = os.environ.get(EVERY_KILL)
THIRD = "till"
STEPS = ("backup.pause", "backup.fence", POINT_OF_NO_RETURN, "restore.adopt_machines", "teardown.hosted_cluster")
SHARED = ((r.LEASE, CLAIM), (r.DEPLOYMENT, OPERATOR))
Command = Callable[[Operator], Ending]


@dataclass(frozen=True, slots=True)
class Actor:
    """A hosted cluster, from the management cluster `source`, and the command that is run for it. `leads_to` is the
    number of the side that serves it in the end."""

    name: str
    command: Command
    leads_to: int
    source: int = 1


@dataclass(frozen=True, slots=True)
class Stopped:
    """A world in which the commands of some actors were stopped at their marks, with their journals and folders."""

    words: str
    world: World
    left: dict[str, tuple[JournalState, dict[str, bytes]]]

    def operator(self, world: World, actor: Actor) -> Operator:
        operator = Operator(world, actor.name, source=actor.source)
        if actor.name in self.left:
            operator.take_over(*self.left[actor.name])
        return operator


def copied(world: World) -> World:
    hooks, world.hooks = world.hooks, []
    try:
        return world.clone()
    finally:
        world.hooks = hooks


def is_shared(request: Request) -> bool:
    if not request.writes or request.port not in ("source", "destination") or not request.arguments:
        return False
    resource, second = request.arguments[0], request.arguments[1]
    name = second["metadata"]["name"] if isinstance(second, dict) else second
    return any((resource, name) == (kind, place[0]) for kind, place in SHARED)


def marks(before: Stopped, actor: Actor) -> tuple[Stopped, ...]:
    """The command of one more actor, stopped at each of its marks."""
    world = copied(before.world)
    operator = before.operator(world, actor)
    found: list[Stopped] = []
    seen: set[str] = set()

    def stop(moment: Literal["before", "after"], request: Request) -> None:
        story = operator.story()
        step = story.current or ""
        begins = moment == "before" and step in STEPS and step not in seen
        if story.case is None or story.ended or not (begins or is_shared(request)):
            return
        seen.add(step)
        words = f"{before.words}; {actor.name} in {step} {moment} {request}"
        left = {**before.left, actor.name: (story, dict(operator.files))}
        found.append(Stopped(words, copied(world), left))

    world.hooks.append(stop)
    actor.command(operator)
    return tuple(found)


def goes_on(stopped: Stopped, world: World, actor: Actor) -> Ending:
    operator = stopped.operator(world, actor)
    ending = operator.resume() if operator.story().command else actor.command(operator)
    stopped.left[actor.name] = (operator.story(), dict(operator.files))
    return ending


def all_end(stopped: Stopped, actors: Sequence[Actor]) -> None:
    """Each goes on to its end, one after another: whoever needs what a stopped one holds is told its name, after a
    bounded time, and ends at the second attempt."""
    world = stopped.world
    for attempt in (1, 2):
        for number, actor in enumerate(actors):
            if stopped.left[actor.name][0].ended:
                continue
            holders = claims(world)
            ending = goes_on(stopped, world, actor)
            if ending.error is None:
                continue
            others = [other.name for other in actors if other is not actor and not stopped.left[other.name][0].ended]
            assert attempt == 1, (stopped.words, ending.error)
            assert isinstance(ending.error, TimedOut), (stopped.words, ending.error)
            assert any(f"clusters/{name} backup" in ending.error.what for name in others), (holders, ending.error)
            assert "holder.hcp-dr.openshift.io/clusters." in ending.error.next
            assert number < len(actors) - 1, (stopped.words, ending.error)
    for actor in actors:
        assert where(world, actor.name) == [actor.leads_to], stopped.words
    assert_unharmed(world, stopped.words, of_three() if len(actors) > 2 else None)


def chosen(found: Sequence[Stopped], most: int, turn: int = 0) -> Sequence[Stopped]:
    """So many of them, or all. Another turn chooses others."""
    every = max(1, len(found) // most)
    return found if EVERY else found[(1 + 3 * turn) % every :: every][:most]


def pairs(before: Stopped, one: Actor, two: Actor, most: tuple[int, int]) -> Iterator[Stopped]:
    for turn, left in enumerate(chosen(marks(before, one), most[0])):
        yield from chosen(marks(left, two), most[1], turn)


OFF_ONE_SOURCE = (Actor(NAME, Operator.relocate, leads_to=2), Actor(OTHER, Operator.relocate, leads_to=2))


def in_service() -> Stopped:
    return Stopped("", scene(Shape.NEIGHBOUR).world, {})


def restored(world: World, *names: str) -> Stopped:
    """Their HostedClusters are on the destination, paused."""
    stopped = Stopped("", world, {})
    for name in names:
        operator = Operator(world, name)
        restored_paused(world, operator)
        stopped.left[name] = (operator.story(), dict(operator.files))
    return stopped


def test_two_relocations_off_one_source() -> None:
    stopped = list(pairs(in_service(), *OFF_ONE_SOURCE, most=(2, 2)))
    assert len(stopped) > 3
    for each in stopped:
        all_end(each, OFF_ONE_SOURCE)


def test_one_is_called_off_while_the_other_is_anywhere() -> None:
    """Before its point of no return."""
    first, second = OFF_ONE_SOURCE
    called_off = Actor(NAME, Operator.abort, leads_to=1)
    can = [each for each in marks(in_service(), first) if POINT_OF_NO_RETURN not in each.left[NAME][0].memory.acted]
    for turn, left in enumerate(chosen(can, 2)):
        for each in chosen(marks(left, second), 1, turn):
            operator = each.operator(each.world, called_off)
            assert operator.abort().error is None, each.words
            each.left[NAME] = (operator.story(), dict(operator.files))
            all_end(each, (called_off, second))


def test_two_are_called_off_onto_one_destination() -> None:
    actors = (Actor(NAME, Operator.abort, leads_to=1), Actor(OTHER, Operator.abort, leads_to=1))
    for each in pairs(restored(scene(Shape.NEIGHBOUR).world, NAME, OTHER), *actors, most=(2, 1)):
        all_end(each, actors)


def test_one_is_called_off_while_another_comes_to_its_destination() -> None:
    """The second one needs the operator there for itself: it waits before its point of no return."""
    before = restored(scene(Shape.NEIGHBOUR).world, NAME)
    actors = (Actor(OTHER, Operator.relocate, leads_to=2), Actor(NAME, Operator.abort, leads_to=1))
    for each in pairs(before, *actors, most=(2, 1)):
        all_end(each, actors)


def test_one_is_called_off_while_another_leaves_its_destination() -> None:
    """An abort and a teardown stop the same operator."""
    world = scene(Shape.NEIGHBOUR).world
    assert Operator(world, OTHER).relocate().error is None
    before = restored(world, NAME)
    actors = (Actor(OTHER, Operator.relocate, leads_to=1, source=2), Actor(NAME, Operator.abort, leads_to=1))
    for each in pairs(before, *actors, most=(2, 1)):
        all_end(each, actors)


@cache
def of_three() -> World:
    """Nobody's own: copy it."""
    world = scene(Shape.NEIGHBOUR).world
    world.populate(Options(pools=(Pool(1),)), THIRD)
    Observation(world, NAME, source=1, pace=EASY).begin()
    return world


def test_three_relocations_off_one_source() -> None:
    actors = (*OFF_ONE_SOURCE, Actor(THIRD, Operator.relocate, leads_to=2))
    two = pairs(Stopped("", of_three().clone(), {}), actors[0], actors[1], most=(1, 1))
    triples = [each for turn, left in enumerate(two) for each in chosen(marks(left, actors[2]), 1, turn)]
    for number, each in enumerate(triples):
        turned = number % 3
        all_end(each, (*actors[turned:], *actors[:turned]))
