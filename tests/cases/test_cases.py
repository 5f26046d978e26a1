"""Every plan against data: tests/cases/<phase>.<step>/<case>.yaml holds facts and the decision they must lead to.

A case says `facts` (by the fields of the step's Facts), and `decision` (do, wait, done, refuse) with what it must say:
`actions` for do (each line exactly as it is described), `until` and `seen` for wait, `because` for done, `error` and
`says` for refuse. Lists of objects may be given short, as YAML of the object. `now_say` replaces nothing: all is data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hcp_dr.engine.step import Decision, Do, Done, Refuse, Step, Wait, describe_all
from hcp_dr.procedure import PHASES
from tests.cases.building import build, facts_type

FOLDER = Path(__file__).parent
STEPS: dict[str, Step[Any]] = {step.name: step for steps in PHASES.values() for step in steps}
CASES = sorted(FOLDER.glob("*/*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text("utf-8"))
    step = STEPS[path.parent.name]
    facts = build(facts_type(step), case["facts"])
    assert told(step.plan(facts)) == {key: value for key, value in case.items() if key not in ("facts", "why")}


def told(decision: Decision) -> dict[str, Any]:
    """A decision as a case writes it."""
    match decision:
        case Do():
            return {"decision": "do", "actions": describe_all(decision.actions)}
        case Wait():
            return {"decision": "wait", "until": decision.until, "seen": decision.seen}
        case Done():
            return {"decision": "done", "because": decision.because}
        case Refuse():
            return {"decision": "refuse", "error": type(decision.error).__name__, "says": decision.error.what}


def test_every_step_has_cases_of_its_own() -> None:
    assert {path.parent.name for path in CASES} == set(STEPS)


@pytest.mark.parametrize("name", sorted(STEPS))
def test_every_step_has_a_case_that_acts_or_judges_and_one_that_ends(name: str) -> None:
    kinds = {yaml.safe_load(path.read_text("utf-8"))["decision"] for path in CASES if path.parent.name == name}
    assert "done" in kinds
    assert kinds - {"done"}, "nothing in its cases ever acts, waits or refuses"
