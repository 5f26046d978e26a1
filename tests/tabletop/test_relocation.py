"""Whole relocations on the tabletop."""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr_lab.tabletop.operator import Operator
from hcp_dr_lab.tabletop.world import World


def test_the_plain_hosted_cluster_moves() -> None:
    world = World.prepared()
    ending = Operator(world).relocate()
    assert ending.error is None
    assert ending.story.ended
    source, destination = (side.client() for side in world.sides)
    assert source.find(r.HOSTED_CLUSTER, "shop", "clusters") is None
    assert destination.find(r.HOSTED_CLUSTER, "shop", "clusters") is not None
