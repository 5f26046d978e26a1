"""Two commands at once on two hosted clusters of the same operators: a seed decides, by the request, who acts."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Literal

import pytest

from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Ending, Operator
from hcp_dr_lab.tabletop.world import NAME, World
from tests.tabletop.scene import scene
from tests.tabletop.test_two_relocations import EVERY, OTHER, assert_unharmed, crossing, restored_paused, where

PATIENCE = 10.0


class Turns:
    """Two commands, of which one runs at any time: before a request it may be the other one's turn."""

    def __init__(self, world: World, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a schedule that can be played again
        self._changed = threading.Condition()
        self._turn = 0
        self._at_work = [0, 1]
        self._undisturbed = 0
        world.hooks.append(self._listen)

    def _listen(self, moment: Literal["before", "after"], request: Request) -> None:
        self._undisturbed -= 1
        if self._undisturbed < 0 and moment == "before" and self._chance.random() < (0.3 if request.writes else 0.05):
            self._give(self._turn, 1 - self._turn)

    def rest(self, requests: int) -> None:
        """Let the other one make so many before it may be one's own turn again."""
        self._undisturbed = requests
        self._give(self._turn, 1 - self._turn)

    def _give(self, mine: int, other: int) -> None:
        with self._changed:
            if other in self._at_work:
                self._turn = other
                self._changed.notify_all()
                self._await(mine)

    def _await(self, mine: int) -> None:
        """Also a worker thread may wait here, while the last turn of the other one ends."""
        mine_again = self._changed.wait_for(lambda: self._turn == mine or 1 - mine not in self._at_work, timeout=60)
        assert mine_again, "the other one never ends"

    def play(self, first: Callable[[], None], second: Callable[[], None]) -> None:
        failed: list[BaseException] = []

        def run(mine: int, work: Callable[[], None]) -> None:
            try:
                with self._changed:
                    self._await(mine)
                work()
            except BaseException as error:  # noqa: BLE001 - it is the test's, which raises it
                failed.append(error)
            with self._changed:
                self._at_work.remove(mine)
                self._turn = 1 - mine
                self._changed.notify_all()

        threads = [threading.Thread(target=run, args=each) for each in enumerate((first, second))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]


class Play:
    """Two commands at once, each by somebody who begins again what was refused, resumes what stopped, and gives up when
    that is of no use."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._turns = Turns(world, seed)

    def of(self, *each: tuple[Operator, Callable[[Operator], Ending]]) -> None:
        first, second = (partial(self._persist, *one) for one in each)
        self._turns.play(first, second)
        self._world.hooks.clear()

    def _persist(self, operator: Operator, begin: Callable[[Operator], Ending]) -> None:
        ending = begin(operator)
        for _ in range(100):
            if ending.error is None:
                return
            self._world.clock.spend(PATIENCE)
            self._turns.rest(requests=300)
            ending = operator.resume() if operator.story().command and not operator.story().ended else begin(operator)
        raise AssertionError(ending.error)


ALL_SEEDS = range(40)
SEEDS = ALL_SEEDS if EVERY else (0, 1)
UNLUCKY = ALL_SEEDS if EVERY else (8, 14)
"""With which, without a claim, the second abort remembers the zero of the first."""


@pytest.mark.usefixtures("nested")
@pytest.mark.parametrize("seed", SEEDS)
def test_two_relocations_off_one_source_interleaved(seed: int) -> None:
    world = scene(Shape.NEIGHBOUR).world
    Play(world, seed).of((Operator(world), Operator.relocate), (Operator(world, OTHER), Operator.relocate))
    assert (where(world, NAME), where(world, OTHER)) == ([2], [2])
    assert_unharmed(world, seed)


@pytest.mark.usefixtures("nested")
@pytest.mark.parametrize("seed", SEEDS)
def test_two_relocations_that_cross_interleaved(seed: int) -> None:
    here, other = crossing()
    world = here.world
    Play(world, seed).of((here.operator, Operator.relocate), (other, Operator.relocate))
    assert (where(world, NAME), where(world, OTHER)) == ([2], [1])
    assert_unharmed(world, seed)


@pytest.mark.usefixtures("nested")
@pytest.mark.parametrize("seed", SEEDS)
def test_a_relocation_and_an_abort_interleaved(seed: int) -> None:
    here = scene(Shape.NEIGHBOUR)
    world, other = here.world, Operator(here.world, OTHER)
    restored_paused(world, other)
    Play(world, seed).of((here.operator, Operator.relocate), (other, Operator.abort))
    assert (where(world, NAME), where(world, OTHER)) == ([2], [1])
    assert_unharmed(world, seed)


@pytest.mark.usefixtures("nested")
@pytest.mark.parametrize("seed", UNLUCKY)
def test_two_aborts_interleaved(seed: int) -> None:
    here = scene(Shape.NEIGHBOUR)
    world, other = here.world, Operator(here.world, OTHER)
    restored_paused(world, here.operator)
    restored_paused(world, other)
    Play(world, seed).of((here.operator, Operator.abort), (other, Operator.abort))
    assert (where(world, NAME), where(world, OTHER)) == ([1], [1])
    assert_unharmed(world, seed)
