"""Killed before and after every single action, and resumed: the relocation ends as if it never was interrupted.

What a killed process leaves is the world, the journal and the backup folder as they are at that moment, so that copies
of all three are taken while one relocation goes on, and each is resumed by itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from hcp_dr.engine.journal import Story
from hcp_dr.kube import resources as r
from hcp_dr_lab.hosted.shapes import Shape
from hcp_dr_lab.observer import tabletop as observation
from hcp_dr_lab.tabletop.gate import Request
from hcp_dr_lab.tabletop.operator import Operator
from hcp_dr_lab.tabletop.world import World
from tests.tabletop.scene import SETTLE, scene

EVERY_KILL = "HCP_DR_EVERY_KILL"
"""Set it to resume from all kills, which takes minutes."""


@dataclass(frozen=True, slots=True)
class Left:
    """What a process that was killed left behind. `words` say when."""

    words: str
    world: World
    story: Story
    files: dict[str, bytes]


def every_kill(*shapes: Shape) -> list[Left]:
    """Before and after each request that writes, from the first line of the journal to its last."""
    here = scene(*shapes)
    left: list[Left] = []

    def remember(moment: Literal["before", "after"], request: Request) -> None:
        story = here.operator.story()
        if request.writes and story.case is not None and not story.ended:
            hooks, here.world.hooks = here.world.hooks, []
            world = here.world.clone()
            here.world.hooks = hooks
            left.append(Left(f"{moment} {request}", world, story, dict(here.operator.files)))

    here.world.hooks.append(remember)
    assert here.operator.relocate().error is None
    return left


def resumed(left: Left) -> tuple[World, Operator]:
    world = left.world
    operator = Operator(world)
    operator.take_over(left.story, left.files)
    return world, operator


def some(kills: list[Left]) -> list[Left]:
    """The first, one in the middle and the last of those between two lines of the journal; of them, all or every
    sixth."""
    groups: dict[int, list[Left]] = {}
    for left in kills:
        groups.setdefault(len(left.story.lines), []).append(left)
    chosen = [group[place] for group in groups.values() for place in sorted({0, len(group) // 2, len(group) - 1})]
    return chosen[:: 1 if os.environ.get(EVERY_KILL) else 6]


def test_killed_at_every_action_and_resumed() -> None:
    kills = every_kill()
    assert len(kills) > 200
    for left in some(kills):
        world, operator = resumed(left)
        ending = operator.resume()
        assert ending.error is None, left.words
        world.clock.spend(SETTLE)
        assert observation.of(world).verdict().reasons == (), left.words
        assert world.sides[0].client().find(r.HOSTED_CLUSTER, "shop", "clusters") is None, left.words
