"""Foretelling is planning: all rounds of a step, and not one act."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.foretell import PlannedStep, foretell
from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Decision, Do, Done, Refuse, Remember, Step, Wait
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
    return foretell(seen, world.ports, CASE, Memory()), world


TOY: Step[Facts] = Step(
    "toy.step", "8.6.2-1", lambda *_: Facts(), plan, lambda facts: replace(facts, allowed=True), afterwards
)


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
            "wait until the owner lives (at most 30 s)",
            "create on source ConfigMap n/owned",
        ),
    )
    assert world.written == []


def test_what_is_done_already_has_a_reason() -> None:
    planned, _ = look(TOY, Facts(owner=True, owned=True, awaited=True))
    assert (planned.decision, planned.text, planned.actions) == ("done", "all is there", ())


def test_a_guard_that_will_not_hold_is_told() -> None:
    planned, _ = look(replace(TOY, foresee=lambda facts: facts))
    assert (planned.decision, planned.text, planned.actions) == ("refuse", "Not yet.", ())


def test_a_guard_that_stops_a_later_round_keeps_what_comes_before_it() -> None:
    planned, _ = look(replace(TOY, afterwards=lambda facts, _: replace(facts, allowed=False)))
    assert (planned.decision, planned.text) == ("refuse", "Not yet.")
    assert planned.actions == ("create on source ConfigMap n/owner", "remember when")


def test_without_afterwards_only_the_first_round_is_known() -> None:
    planned, _ = look(replace(TOY, afterwards=None))
    assert (planned.decision, planned.actions) == ("do", ("create on source ConfigMap n/owner", "remember when"))


def test_what_never_ends_is_cut_short() -> None:
    planned, _ = look(replace(TOY, afterwards=lambda facts, _: facts))
    assert (planned.decision, planned.text, len(planned.actions)) == ("do", "and so on", 40)


def test_what_cannot_be_looked_at_is_unknown_and_the_rest_is_told() -> None:
    def observe(*_: object) -> Facts:
        raise ClusterUnreachable(cluster="source", verb="get", object="Pod a", reason="gone")

    planned, _ = look(replace(TOY, observe=observe))
    assert (planned.decision, planned.actions) == ("unknown", ())
    assert planned.text == "The API server of the source cluster did not answer (get Pod a: gone)."


def test_no_step_of_the_book_writes_when_it_is_foretold() -> None:
    """Whatever a step sees in an empty world: not one write to a cluster, the bucket, the zone, an instance, a file."""
    world = World()
    for step in RELOCATE:
        foretell(step, world.ports, CASE, Memory())
    assert world.written == []
    assert world.archive.files == {}
