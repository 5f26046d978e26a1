"""Dead is what does not answer once, for as long as is waited for a first answer. Any answer is one."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.engine.liveness import LivenessProbe, check_unreachable
from hcp_dr.engine.wait import FIRST_ANSWER_TIMEOUT
from hcp_dr.errors import ClusterUnreachable, Forbidden, HcpDrError, NotFound, ServerBusy, SourceAnswers, Unauthorized
from tests.unit.engine.toys import JumpingClock

WHERE: dict[str, str] = {"cluster": "source", "verb": "get", "object": "Namespace kube-system"}
DEAD = ClusterUnreachable(**WHERE, reason="no connection in time")


def ask(*answers: HcpDrError | None) -> tuple[Any, list[int]]:
    """Answers in turn, the last one for ever; and how often it was asked."""
    asked: list[int] = []

    def one() -> None:
        asked.append(1)
        answer = answers[min(len(asked), len(answers)) - 1]
        if answer is not None:
            raise answer

    return one, asked


def prove(one: Any, clock: JumpingClock) -> None:
    check_unreachable([LivenessProbe("its API answers", one, "relocate")], clock, lambda _: None, lambda: None)


def test_silence_is_believed_after_the_whole_limit() -> None:
    clock = JumpingClock()
    one, asked = ask(DEAD)
    prove(one, clock)
    assert clock.now() >= FIRST_ANSWER_TIMEOUT
    assert len(asked) > 5


@pytest.mark.parametrize(
    "answer",
    [
        None,
        Unauthorized(**WHERE, reason="Unauthorized"),
        Forbidden(**WHERE, reason="no"),
        NotFound(**WHERE),
        ServerBusy(retry_after=None, **WHERE, reason="HTTP 503"),
        ClusterUnreachable(**WHERE, reason="expired", shown=True),
    ],
    ids=lambda answer: type(answer).__name__,
)
@pytest.mark.parametrize("silent", [0, 3])
def test_any_answer_is_a_sign_of_life(answer: HcpDrError | None, silent: int) -> None:
    one, asked = ask(*[DEAD] * silent, answer)
    with pytest.raises(SourceAnswers) as raised:
        prove(one, JumpingClock())
    assert len(asked) == silent + 1
    assert raised.value.exit_code == 78
    assert raised.value.next == "relocate"


def test_each_round_is_told_in_one_word_so_that_what_lasts_is_not_told_again_and_again() -> None:
    told: list[str] = []
    asked = [LivenessProbe(word, ask(DEAD)[0], "relocate") for word in ("its API answers", "a control plane serves")]
    check_unreachable(asked, JumpingClock(), lambda progress: told.append(progress.text), lambda: None)
    assert len(told) > 5
    assert len(set(told)) == 1
    assert told[0].count(DEAD.what) == 2
