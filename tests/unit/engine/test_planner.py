"""Foretelling is planning: all rounds of a step, and not one act."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.planner import PlannedStep, plan_step, plan_undo
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Check, Decision, Do, Done, Refuse, Step, Timeout, Wait
from hcp_dr.errors import ClusterUnreachable, Refused
from hcp_dr.procedure import RELOCATE
from tests.ports import CASE, World
from tests.unit.engine.toys import create


@dataclass(frozen=True)
class Facts:
    owner: bool = False
    owned: bool = False
    awaited: bool = False
    allowed: bool = False


def plan(facts: Facts) -> Decision:
    if not facts.allowed:
        return Refuse(Refused(what="Not yet."))
    if not facts.owner:
        return Do((create("owner"), Remember("when", 1)))
    if not facts.awaited:
        return Wait("the owner lives", "it does not", 30.4)
    return Done("all is there") if facts.owned else Do((create("owned"),))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if isinstance(decision, Wait):
        return replace(facts, awaited=True)
    return replace(facts, owned=True) if facts.owner else replace(facts, owner=True)


def look(step: Step[Any], facts: Any = None) -> tuple[PlannedStep, World]:
    world = World()
    seen = replace(step, observe=lambda *_: facts) if facts is not None else step
    return plan_step(seen, world.ports, CASE, RunState()), world


LIVES = Timeout(30.4, "the owner lives", "a birth")
TOY: Step[Facts] = Step(
    "toy.step",
    "8.6.2-1",
    lambda *_: Facts(),
    plan,
    lambda facts: replace(facts, allowed=True),
    afterwards,
    waits=(LIVES,),
)


def test_a_plan_names_the_finding_of_each_check_that_stops() -> None:
    checks = (Check("kept", "ok", "all is well"), Check("space", "blocked", "there is no room"))
    step = replace(TOY, plan=lambda _: Refuse(Refused(what="Not yet."), checks))
    planned, _ = look(step, Facts())
    assert (planned.outlook, planned.text) == ("refuse", "Not yet. space: there is no room.")


def test_all_rounds_are_told_in_order_as_if_the_steps_before_were_done() -> None:
    planned, world = look(TOY)
    assert planned == PlannedStep(
        "toy.step",
        "8.6.2-1",
        "do",
        "",
        (
            "create on source ConfigMap n/owner",
            "remember when",
            "create on source ConfigMap n/owned",
        ),
        (LIVES,),
    )
    assert world.written == []


def test_what_only_reads_says_what_it_will_check_and_asks_nothing() -> None:
    def observe(*_: object) -> Facts:
        raise AssertionError

    planned, _ = look(replace(TOY, observe=observe, checks="the owner lives well"))
    assert (planned.outlook, planned.text, planned.actions) == ("check", "the owner lives well", ())
    assert planned.waits == (LIVES,)


def test_what_only_waits_says_so() -> None:
    planned, _ = look(TOY, Facts(owner=True, owned=True))
    assert (planned.outlook, planned.actions, planned.waits) == ("wait", (), (LIVES,))


def test_only_the_journal_says_that_a_step_is_done() -> None:
    world = World()
    memory = RunState().with_done(TOY.name)
    assert plan_step(TOY, world.ports, CASE, memory).outlook == "done"
    assert plan_step(replace(TOY, proof=True), world.ports, CASE, memory).outlook == "do"


def test_undoing_is_foretold_by_its_first_round() -> None:
    def revert(facts: Facts) -> Decision:
        return Wait("it is back", "not yet", 12.0) if facts.owner else Do((create("x"),))

    step = replace(TOY, revert=revert)
    planned = plan_undo(step, World().ports, CASE, RunState().with_done(TOY.name))
    assert (planned.name, planned.outlook, planned.actions) == (
        "undo toy.step",
        "do",
        ("create on source ConfigMap n/x",),
    )
    assert planned.waits == ()
    there = replace(step, look_back=lambda *_: Facts(owner=True))
    planned = plan_undo(there, World().ports, CASE, RunState())
    assert (planned.outlook, planned.waits) == ("wait", (Timeout(12.0, "it is back", "not yet"),))


def test_what_needs_nothing_has_a_reason() -> None:
    planned, _ = look(TOY, Facts(owner=True, owned=True, awaited=True, allowed=True))
    assert (planned.outlook, planned.text, planned.actions) == ("nothing", "all is there", ())


def test_a_guard_that_will_not_hold_is_told() -> None:
    planned, _ = look(replace(TOY, foresee=lambda facts: facts))
    assert (planned.outlook, planned.text, planned.actions) == ("refuse", "Not yet.", ())


def test_a_guard_that_stops_a_later_round_keeps_what_comes_before_it() -> None:
    planned, _ = look(replace(TOY, afterwards=lambda facts, _: replace(facts, allowed=False)))
    assert (planned.outlook, planned.text) == ("refuse", "Not yet.")
    assert planned.actions == ("create on source ConfigMap n/owner", "remember when")


def test_without_afterwards_only_the_first_round_is_known() -> None:
    planned, _ = look(replace(TOY, afterwards=None))
    assert (planned.outlook, planned.actions) == ("do", ("create on source ConfigMap n/owner", "remember when"))


def test_what_never_ends_is_cut_short() -> None:
    planned, _ = look(replace(TOY, afterwards=lambda facts, _: facts))
    assert (planned.outlook, planned.text, len(planned.actions)) == ("do", "and so on", 40)


def test_what_cannot_be_looked_at_is_unknown_and_the_rest_is_told() -> None:
    def observe(*_: object) -> Facts:
        raise ClusterUnreachable(cluster="source", verb="get", object="Pod a", reason="gone")

    planned, _ = look(replace(TOY, observe=observe))
    assert (planned.outlook, planned.actions) == ("unknown", ())
    assert planned.text == "The API server of the source cluster did not answer (get Pod a: gone)."


def test_no_step_of_the_book_writes_when_it_is_foretold() -> None:
    """Whatever a step sees in an empty world: not one write to a cluster, the bucket, the zone, an instance, a file."""
    world = World()
    for step in RELOCATE:
        plan_step(step, world.ports, CASE, RunState())
    assert world.written == []
    assert world.archive.files == {}
