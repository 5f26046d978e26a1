"""What `plan` prints is what its command does: the actions, the waits, and nothing done before it is begun."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from hcp_dr.engine.journal import JournalState
from hcp_dr.engine.planner import PlannedStep
from hcp_dr.errors import NoBackup, NothingToResume, PastNoReturn
from hcp_dr.model import Dns
from hcp_dr.procedure import RELOCATE
from hcp_dr_lab.hosted.shapes import Shape
from tests.tabletop.scene import scene
from tests.tabletop.test_dangers import Killed, just_before, kill


def performed(story: JournalState) -> dict[str, list[str]]:
    """By step, in words, as the journal has them."""
    found: dict[str, list[str]] = defaultdict(list)
    for line in story.of_kind("intent"):
        found[str(line.step)] += line.texts("actions")
    return found


def settled(action: str) -> str:
    """Without what only the doing can tell: versions of objects, names of a fence, times."""
    action = re.sub(r'(, )?"resourceVersion": "[^"]*"(?(1)|, )', "", action)
    action = re.sub(r"snapshot-\S+?\.db", "snapshot.db", action)
    action = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "then", action)
    return re.sub(r"(clusters/shop/|backup |then )shop-\w{6}", "shop-……", action)


BY_ITSELF = re.compile(
    r"patch on \w+ Machine(Deployment|Set) .*cluster.x-k8s.io/paused|force-stop on \w+ Pod "
    r"|delete on source HostedControlPlane"
)
"""Others may be sooner: an operator that lives holds and lets go what belongs to a NodePool, a pod leaves by itself,
and a HostedControlPlane is collected with the Cluster that owns it."""


def unplanned_waits(story: JournalState, plan: list[PlannedStep]) -> set[tuple[str, str, float]]:
    """Each wait of a step whose limit its plan did not name. What depends on the world is waited for less, or twice as
    long where each node is waited for."""
    limits = {step.name: {wait.seconds for wait in step.waits} for step in plan}
    found = set()
    for line in story.of_kind("wait"):
        step, limit = str(line.step), float(line.text("limit") or "nan")
        if not any(limit in (known, 2 * known, known + 60) for known in limits.get(step, ())):
            found.add((step, str(line["until"]), limit))
    return found


@pytest.mark.parametrize("shapes", [(), (Shape.THREE_POOLS, Shape.LOAD_BALANCER)], ids=["plain", "pools and balancer"])
def test_what_is_planned_is_what_is_done(shapes: tuple[Shape, ...]) -> None:
    here = scene(*shapes)
    plan = here.operator.plan()
    planned = {
        step.name: {settled(action) for action in step.actions if not action.startswith("remember ")}
        for step in plan
        if not step.name.startswith("preflight.")
    }
    ending = here.operator.relocate()
    assert {step.outlook for step in plan} <= {"do", "wait", "check", "nothing"}
    assert unplanned_waits(ending.story, plan) == set()
    assert ending.error is None
    done = {step: {settled(action) for action in actions} for step, actions in performed(ending.story).items()}
    assert done.keys() <= planned.keys()
    for step, actions in planned.items():
        only_done = done.get(step, set()) - actions
        only_planned = {text for text in actions - done.get(step, set()) if not BY_ITSELF.match(text)}
        assert (step, only_done, only_planned) == (step, set(), set())


def outlooks(plan: list[PlannedStep]) -> dict[str, str]:
    return {step.name: step.outlook for step in plan}


@pytest.mark.parametrize("dns", ["release", "takeover", "handover"])
def test_a_plan_of_a_fresh_world_calls_nothing_done_and_names_each_wait(dns: Dns) -> None:
    plan = scene().operator.plan("relocate", dns=dns)
    assert not {step.name for step in plan if step.outlook in ("done", "refuse", "unknown")}
    waiting = {step.name for step in plan if step.waits}
    assert {"verify.publish_api", "verify.await_nodes", "verify.source_clean", "finish.restart_ovn"} <= waiting
    assert all(wait.seconds > 0 and wait.until for step in plan for wait in step.waits)
    checked = {step.name for step in plan if step.outlook == "check"}
    assert {"verify.publish_api", "verify.identity", "verify.placement"} <= checked


def test_a_plan_in_the_middle_is_that_of_the_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    here = scene()
    just_before(here, "restore.hosted_cluster", kill)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    story = here.operator.story()
    monkeypatch.delattr("hcp_dr.commands.plan.discover_relocation")
    plan = here.operator.plan()
    seen = outlooks(plan)
    asked_again = {step.name for step in RELOCATE if step.proof}
    assert {name for name, outlook in seen.items() if outlook == "done"} == story.memory.done & set(seen) - asked_again
    assert seen["restore.hosted_cluster"] == "do"
    assert outlooks(here.operator.plan("resume")) == seen
    assert here.operator.story() == story
    ending = here.operator.resume()
    assert ending.error is None


def test_a_plan_of_an_abort_names_what_is_taken_back() -> None:
    here = scene()
    with pytest.raises(NothingToResume):
        here.operator.plan("abort")
    assert here.operator.backup().error is None
    plan = here.operator.plan("abort")
    begun = here.operator.story().memory.begun
    assert {step.name for step in plan if step.name.startswith("undo ")} >= {"undo backup.fence", "undo backup.pause"}
    assert all(step.name.removeprefix("undo ") in begun for step in plan if step.name.startswith("undo "))
    assert outlooks(plan)["undo backup.fence"] == "do"
    assert here.operator.abort().error is None
    assert not here.verdict().lost


def test_past_the_point_of_no_return_there_is_no_plan_of_an_abort() -> None:
    here = scene()
    just_before(here, "verify.publish_api", kill)
    with pytest.raises(Killed):
        here.operator.relocate()
    here.world.hooks.clear()
    with pytest.raises(PastNoReturn):
        here.operator.plan("abort")


def test_a_plan_for_a_lost_source_asks_nothing_of_it() -> None:
    here = scene()
    with pytest.raises(NoBackup):
        here.operator.plan("restore", source_lost=True)
    assert here.operator.back_up_online().error is None
    here.world.die(here.world.sides[0])
    here.world.clock.spend(5)
    plan = here.operator.plan("restore", source_lost=True)
    seen = outlooks(plan)
    assert seen["restore.hosted_cluster"] == "do"
    unknown = {name for name, outlook in seen.items() if outlook == "unknown"}
    assert unknown == {"verify.await_nodes", "restore.unpause_node_pools", "restore.adopt_machines"}, (
        "they ask the hosted API, which is away"
    )
    assert "done" not in seen.values()
    assert here.operator.restore_lost().error is None
