"""What an error may still say when its step, or what follows it, has acted."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from hcp_dr.engine.step import Decision, Do, Refuse
from hcp_dr.engine.untouched import DONE_SO_FAR, Untouched, still_true
from hcp_dr.errors import HcpDrError, NotProven, Refused
from hcp_dr.hypershift.deletion.protocol import NOT_TORN_DOWN
from tests.unit.engine.toys import Table, patch, step

SAID = Untouched("No record was touched.", besides="The API serves.")


@pytest.mark.parametrize(
    ("left", "acted", "told"),
    [
        (SAID, (), "No record was touched. The API serves."),
        (SAID, ("backup.pause",), "No record was touched. The API serves."),
        (SAID, ("backup.hold_dns",), f"{DONE_SO_FAR} The API serves."),
        (NOT_TORN_DOWN, ("backup.hold_dns", "verify.identity"), str(NOT_TORN_DOWN)),
        (NOT_TORN_DOWN, ("teardown.cluster",), DONE_SO_FAR),
        (Untouched("a.", since=("teardown.cluster",)), ("teardown.cluster_two",), "a."),
        ("It was not touched.", ("backup.hold_dns",), "It was not touched."),
    ],
)
def test_it_is_said_only_while_it_is_so(left: str, acted: tuple[str, ...], told: str) -> None:
    assert still_true(left, "backup.hold_dns", acted) == told


def test_it_is_text_wherever_it_goes() -> None:
    error = Refused(what="no.", left=SAID, todo="")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert copy.paragraph() == error.paragraph() == "no. No record was touched. The API serves."


def refusing(acts: int) -> Any:
    left = iter(range(acts))

    def plan(_: Any) -> Decision:
        return Refuse(Refused(what="no.", left=Untouched("Nothing was stopped."))) if next(left, None) is None else act

    act = Do((patch("a", x="y"),))
    return plan


@pytest.mark.parametrize("acts", [0, 1, 2])
def test_a_step_that_acts_and_then_refuses_does_not_deny_it(acts: int) -> None:
    table = Table()
    table.world.source.put("ConfigMap n/a")
    with pytest.raises(Refused) as caught:
        table.run().carry_out_one(step(refusing(acts)))
    told = DONE_SO_FAR if acts else "Nothing was stopped."
    assert caught.value.left_as == told
    [failed] = [line for line in table.log.lines if line["line"] == "failed"]
    assert told in failed["text"], "nor does the journal"


def test_nor_does_the_resume_of_one_that_was_killed_after_its_act() -> None:
    table = Table()
    table.world.source.put("ConfigMap n/a")
    table.log.write("intent", step="toy.step", actions=["patch"])
    with pytest.raises(Refused) as caught:
        table.run().carry_out_one(step(refusing(0)))
    assert caught.value.left_as == DONE_SO_FAR


def test_a_proof_that_is_looked_at_again_knows_that_the_teardown_has_begun() -> None:
    table = Table()
    table.log.write("intent", step="teardown.stop_control_plane", actions=["scale"])
    error = NotProven(what="no.", left=NOT_TORN_DOWN)
    with pytest.raises(HcpDrError) as caught:
        table.run().carry_out_one(step(lambda _: Refuse(error)))
    assert caught.value.left_as == DONE_SO_FAR
