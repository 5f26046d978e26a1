"""Killed on one machine and resumed on another, with nothing but the settings: the world has the rest."""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr_lab.tabletop import observation
from hcp_dr_lab.tabletop.operator import Operator
from tests.tabletop.scene import SETTLE
from tests.tabletop.test_interruption import Left, every_kill, some


def elsewhere(left: Left) -> Operator:
    return Operator(left.world, machine="laptop")


def test_killed_at_every_action_and_resumed_on_another_machine() -> None:
    kills = some(every_kill())
    for left in kills:
        operator = elsewhere(left)
        ending = operator.resume()
        assert ending.error is None, left.words
        left.world.clock.spend(SETTLE)
        assert observation.of(left.world).verdict().reasons == (), left.words
        assert left.world.sides[0].client().find(r.HOSTED_CLUSTER, "shop", "clusters") is None, left.words
