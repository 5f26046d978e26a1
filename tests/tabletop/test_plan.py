"""The actions that `plan relocate` prints are the actions that `relocate` performs."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from hcp_dr.engine.journal import Story
from hcp_dr_lab.hosted.shapes import Shape
from tests.tabletop.scene import scene


def performed(story: Story) -> dict[str, list[str]]:
    """By step, in words, as the journal has them."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in story.lines:
        if line["line"] == "intent":
            found[line["step"]] += line["actions"]
    return found


def settled(action: str) -> str:
    """Without what only the doing can tell: versions of objects, names of a fence."""
    action = re.sub(r'"resourceVersion": "[^"]*"', '"resourceVersion": "…"', action)
    action = re.sub(r"snapshot-\S+?\.db", "snapshot.db", action)
    return re.sub(r"shop-\d{6}", "shop-……", action)


BY_ITSELF = re.compile(
    r"patch on \w+ Machine(Deployment|Set) .*cluster.x-k8s.io/paused|hurry on \w+ Pod "
    r"|delete on source HostedControlPlane"
)
"""Others may be sooner: an operator that lives holds and lets go what belongs to a NodePool, a pod leaves by itself,
and a HostedControlPlane is collected with the Cluster that owns it."""


@pytest.mark.parametrize("shapes", [(), (Shape.THREE_POOLS, Shape.LOAD_BALANCER)], ids=["plain", "pools and balancer"])
def test_what_is_planned_is_what_is_done(shapes: tuple[Shape, ...]) -> None:
    here = scene(*shapes)
    planned = {
        step.name: {settled(action) for action in step.actions if not action.startswith(("wait until", "remember "))}
        for step in here.operator.plan()
        if not step.name.startswith("preflight.")
    }
    ending = here.operator.relocate()
    assert ending.error is None
    done = {step: {settled(action) for action in actions} for step, actions in performed(ending.story).items()}
    assert done.keys() <= planned.keys()
    for step, actions in planned.items():
        only_done = done.get(step, set()) - actions
        only_planned = {text for text in actions - done.get(step, set()) if not BY_ITSELF.match(text)}
        assert (step, only_done, only_planned) == (step, set(), set())
