"""Every plan against data: tests/cases/<phase>.<step>/<case>.yaml holds facts and the decision they must lead to.

A case says `facts` (by the fields of the step's Facts, see building.py), or `base`, another case of its folder, and
`change`, what differs by its place in the facts. `why` names the rule behind it. The rest is the decision, exactly:

    decision: do        actions (each as it is described)
    decision: wait      until, seen, limit, wake where a change ends it early, and then, what it comes to at the limit
    decision: done      because
    decision: refuse    error (its class) and says; left and todo where they are not the class's own

and `checks`, where the decision has some that are not ok: "verdict name" to what was seen, why it matters, what to do;
"acceptable, " before it where an engineer may take it upon herself.
Preflight's refusals say nothing else.

tests/cases/<phase>.<step>/undo/<case>.yaml holds the facts over which the step is undone, and that decision.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.planner import PlannedStep, plan_step
from hcp_dr.engine.step import Action, Check, Decision, Do, Done, Patch, Refuse, Step, Wait
from hcp_dr.engine.untouched import still_true
from hcp_dr.errors import RESUME as GOES_ON
from hcp_dr.errors import CannotMigrate, HcpDrError, PastNoReturn
from hcp_dr.procedure import APART, ONLINE_PREFLIGHT, PHASES, RESUME, UNDO, WATCHES
from tests.cases.building import build, facts_type, taken_by
from tests.cases.reading import PATHS, UNDO_PATHS, read
from tests.claims import denials

BOOK = (*PHASES.values(), ONLINE_PREFLIGHT, RESUME, *APART.values())
STEPS: dict[str, Step[Any]] = {step.name: step for steps in BOOK for step in steps}
STEPS |= {watch.page.name: watch.page for watch in WATCHES}
every_case = pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}")


def facts_of(path: Path) -> Any:
    return build(facts_type(STEPS[path.parent.name]), read(path)["facts"])


@every_case
def test_case(path: Path) -> None:
    case = read(path)
    facts = facts_of(path)
    before = copy.deepcopy(facts)
    assert told(STEPS[path.parent.name].plan(facts)) == {k: v for k, v in case.items() if k not in ("facts", "why")}
    assert facts == before, "a plan changes nothing, not even its facts"


@pytest.mark.parametrize("path", UNDO_PATHS, ids=lambda path: f"{path.parent.parent.name}/{path.stem}")
def test_undo_case(path: Path) -> None:
    case, step = read(path), STEPS[path.parent.parent.name]
    assert step.revert is not None
    facts = build(taken_by(step.revert), case["facts"])
    before = copy.deepcopy(facts)
    assert told(step.revert(facts)) == {k: v for k, v in case.items() if k not in ("facts", "why")}
    assert facts == before


def test_every_step_that_is_undone_has_cases_of_its_own_in_which_it_acts_and_ends() -> None:
    assert {path.parent.parent.name for path in UNDO_PATHS} == {step.name for step in UNDO}
    for step in UNDO:
        kinds = {read(path)["decision"] for path in UNDO_PATHS if path.parent.parent.name == step.name}
        assert {"do", "done"} <= kinds, step.name


def told(decision: Decision) -> dict[str, Any]:
    """A decision as a case writes it."""
    match decision:
        case Do(actions):
            return {"decision": "do", "actions": [_told_action(action) for action in actions]}
        case Wait(until, seen, limit, wake):
            awoken = {"wake": f"{wake.side} {wake.resource.kind} {wake.namespace or '*'}"} if wake else {}
            then = {"then": told(decision.then)} if decision.then else {}
            return {"decision": "wait", "until": until, "seen": seen, "limit": limit, **awoken, **then}
        case Done(because, checks):
            return {"decision": "done", "because": because, **_told_checks(checks)}
        case Refuse(error, checks):
            return {"decision": "refuse", **_told_error(error), **_told_checks(checks)}


def _told_action(action: Action) -> str:
    """A patch with its values, unlike in the journal."""
    text = action.describe()
    return (
        f"{text.partition(': ')[0]}: {json.dumps(action.patch, sort_keys=True)}" if isinstance(action, Patch) else text
    )


def _told_error(error: HcpDrError) -> dict[str, str]:
    name = {"error": type(error).__name__}
    if isinstance(error, CannotMigrate):
        return name
    own = {"left": error.left, "todo": error.todo.replace(GOES_ON, "`hcp-dr resume`")}
    said = {"left": error.left_as, "todo": error.next}
    return {**name, "says": error.what, **{key: text for key, text in said.items() if text != own[key]}}


def _told_checks(checks: tuple[Check, ...]) -> dict[str, Any]:
    found = {f"{_told_verdict(c)} {c.name}": [c.seen, c.why, c.todo] for c in checks if c.verdict != "ok"}
    return {"checks": found} if found else {}


def _told_verdict(check: Check) -> str:
    return f"acceptable, {check.verdict}" if check.acceptable else check.verdict


@pytest.mark.parametrize("path", [*PATHS, *UNDO_PATHS], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_refusal_denies_what_was_done(path: Path) -> None:
    """Whatever this step, and all others, have done by then."""
    undone = path.parent.name == "undo"
    name = path.parent.parent.name if undone else path.parent.name
    decide = STEPS[name].revert if undone else STEPS[name].plan
    assert decide is not None
    decision = decide(build(taken_by(decide), read(path)["facts"]))
    if isinstance(decision, Refuse) and not isinstance(decision.error, CannotMigrate | PastNoReturn):
        assert denials(still_true(decision.error.left_as, name, STEPS)) == []


def test_every_step_has_cases_of_its_own() -> None:
    assert {path.parent.name for path in PATHS} == set(STEPS)


@pytest.mark.parametrize("name", sorted(STEPS))
def test_every_step_has_a_case_that_acts_or_judges_and_one_that_ends(name: str) -> None:
    kinds = {read(path)["decision"] for path in PATHS if path.parent.name == name}
    assert "done" in kinds
    assert kinds - {"done"}, "nothing in its cases ever acts, waits or refuses"


def foretold(path: Path) -> PlannedStep:
    """What `plan` would print of the step if the world were as the case says."""
    step, facts = STEPS[path.parent.name], facts_of(path)
    seen = Step(step.name, step.documented, lambda *_: facts, step.plan, step.foresee, step.afterwards)
    return plan_step(seen, None, None, RunState())  # type: ignore[arg-type]


@every_case
def test_a_step_can_be_foretold_to_its_end(path: Path) -> None:
    """`afterwards` drives the plan to its end: in a few rounds, and without asking for anything twice."""
    planned = foretold(path)
    assert planned.text != "and so on", planned.actions
    assert len(set(planned.actions)) == len(planned.actions), planned.actions


@pytest.mark.parametrize("name", sorted(STEPS))
def test_every_step_can_be_foretold_without_a_refusal(name: str) -> None:
    assert {foretold(path).outlook for path in PATHS if path.parent.name == name} & {"do", "nothing", "check"}
