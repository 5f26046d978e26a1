"""Whether a cluster is dead: tried for a while, and not answered once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hcp_dr.engine.progress import Progress
from hcp_dr.engine.wait import FIRST_LIMIT, LOOK_AGAIN, Clock
from hcp_dr.errors import ClusterUnreachable, HcpDrError, SourceAnswers


@dataclass(frozen=True, slots=True)
class LivenessProbe:
    """What is asked, in words; how to ask it once; and what to do where it answers."""

    word: str
    ask: Callable[[], object]
    todo: str


def check_unreachable(
    asked: Sequence[LivenessProbe],
    clock: Clock,
    tell: Callable[[Progress], None],
    between: Callable[[], None],
) -> None:
    """An answer of any kind is one: a refusal too, and a certificate, whoever issued it. `between` is called after
    each, and may raise. Raises SourceAnswers."""
    began = clock.now()
    while True:
        seen = []
        for each in asked:
            seen.append(_silence(each))
            between()
        awaited = f"until it is sure that it is lost; seen: {' '.join(seen)}"
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
        answer = "it was asked, and answered"
    raise SourceAnswers(why=f"{asked.word} ({answer.rstrip('.')})", todo=asked.todo)
