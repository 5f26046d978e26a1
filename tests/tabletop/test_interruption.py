"""Killed before and after every single action, and resumed: the relocation ends as if it never was interrupted.

What a killed process leaves is the world, the journal and the backup folder as they are at that moment, so that copies
of all three are taken while one relocation goes on, and each is resumed by itself.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from hcp_dr.engine.journal import JournalState
from hcp_dr.kube import resources as r
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.observer import tabletop as observation
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Operator
from hcp_dr_lab.tabletop.world import World
from tests.tabletop.scene import SETTLE, Scene, scene, twin

EVERY_KILL = "HCP_DR_EVERY_KILL"
"""Set it to resume from all kills, which takes minutes."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a process that was killed left behind. `words` say when."""

    words: str
    world: World
    story: JournalState
    files: dict[str, bytes]


def at_every_kill(shapes: tuple[Shape, ...], see: Callable[[Scene, str], None]) -> None:
    """Before and after each request that writes, from the first line of the journal to its last."""
    here = scene(*shapes)

    def listen(moment: Literal["before", "after"], request: Request) -> None:
        story = here.operator.story()
        if request.writes and story.case is not None and not story.ended:
            see(here, f"{moment} {request}")

    here.world.hooks.append(listen)
    assert here.operator.relocate().error is None


def some_kills(*shapes: Shape) -> list[Left]:
    """Two relocations, which go the same way: the first one counts, and of the second one that is kept which is needed.
    Copies of the world at all its kills would take more time than to relocate again."""
    lines: list[int] = []
    at_every_kill(shapes, lambda here, _: lines.append(len(here.operator.story().lines)))
    assert len(lines) > 200
    wanted, number, left = frozenset(chosen(lines)), itertools.count(), []

    def keep(here: Scene, words: str) -> None:
        if next(number) in wanted:
            copied = twin(here)
            left.append(Left(words, copied.world, here.operator.story(), dict(here.operator.files)))

    at_every_kill(shapes, keep)
    assert next(number) == len(lines)
    return left


def resumed(left: Left) -> tuple[World, Operator]:
    world = left.world
    operator = Operator(world)
    operator.take_over(left.story, left.files)
    return world, operator


def chosen(lines: Sequence[int]) -> list[int]:
    """Numbers of kills, told how many lines the journal has at each: the first, one in the middle and the last of those
    between two lines; of them, all or every sixth."""
    groups: dict[int, list[int]] = {}
    for number, each in enumerate(lines):
        groups.setdefault(each, []).append(number)
    found = [group[place] for group in groups.values() for place in sorted({0, len(group) // 2, len(group) - 1})]
    return found[:: 1 if os.environ.get(EVERY_KILL) else 6]


def some(kills: list[Left]) -> list[Left]:
    return [kills[number] for number in chosen([len(left.story.lines) for left in kills])]


def test_killed_at_every_action_and_resumed() -> None:
    for left in some_kills():
        world, operator = resumed(left)
        ending = operator.resume()
        assert ending.error is None, left.words
        world.clock.spend(SETTLE)
        assert observation.of(world).verdict().reasons == (), left.words
        assert world.sides[0].client().find(r.HOSTED_CLUSTER, "shop", "clusters") is None, left.words
