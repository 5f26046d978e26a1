"""Confirms that a cluster is unreachable: no attempt succeeds for a period."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hcp_dr.engine.progress import Progress
from hcp_dr.engine.wait import FIRST_LIMIT, LOOK_AGAIN, Clock
from hcp_dr.errors import ClusterUnreachable, HcpDrError, SourceAnswers


@dataclass(frozen=True, slots=True)
class LivenessProbe:
    """The target of the probe, in words; a function that probes it once; and the advice if it answers."""

    word: str
    ask: Callable[[], object]
    todo: str


def check_unreachable(
    asked: Sequence[LivenessProbe],
    clock: Clock,
    tell: Callable[[Progress], None],
    between: Callable[[], None],
) -> None:
    """Any answer counts: also a refusal, and a certificate of any issuer. `between` is called after each probe, and may
    raise. Raises SourceAnswers."""
    began = clock.now()
    while True:
        seen = []
        for each in asked:
            seen.append(_silence(each))
            between()
        awaited = f"confirming that the source is unreachable; seen: {' '.join(seen)}"
        tell(Progress("wait", "source", awaited, clock.now() - began))
        if clock.now() - began >= FIRST_LIMIT:
            return
        clock.pause(LOOK_AGAIN)


def _silence(asked: LivenessProbe) -> str:
    try:
        asked.ask()
    except ClusterUnreachable as error:
        if not error.shown:
            return error.what
        answer: str = error.what
    except HcpDrError as error:
        answer = error.what
    else:
        answer = "the probe was answered"
    raise SourceAnswers(why=f"{asked.word} ({answer.rstrip('.')})", todo=asked.todo)
