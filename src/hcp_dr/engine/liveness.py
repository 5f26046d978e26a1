"""Confirms that a cluster is unreachable: no attempt succeeds for a period."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hcp_dr.engine.progress import Progress
from hcp_dr.engine.wait import FIRST_ANSWER_TIMEOUT, OBSERVE_INTERVAL, Clock
from hcp_dr.errors import ClusterUnreachable, HcpDrError, SourceAnswers


@dataclass(frozen=True, slots=True)
class LivenessProbe:
    """The target of the probe, in words; a function that probes it once; and the advice if it answers."""

    word: str
    ask: Callable[[], object]
    todo: str


def check_unreachable(
    probes: Sequence[LivenessProbe],
    clock: Clock,
    tell: Callable[[Progress], None],
    between: Callable[[], None],
) -> None:
    """Any answer counts: also a refusal, and a certificate of any issuer. `between` is called after each probe, and may
    raise. Raises SourceAnswers."""
    began = clock.now()
    while True:
        silences = []
        for probe in probes:
            silences.append(_probe(probe))
            between()
        awaited = f"confirming that the source is unreachable; seen: {' '.join(silences)}"
        tell(Progress("wait", "source", awaited, clock.now() - began))
        if clock.now() - began >= FIRST_ANSWER_TIMEOUT:
            return
        clock.pause(OBSERVE_INTERVAL)


def _probe(probe: LivenessProbe) -> str:
    try:
        probe.ask()
    except ClusterUnreachable as error:
        if not error.shown:
            return error.what
        answer: str = error.what
    except HcpDrError as error:
        answer = error.what
    else:
        answer = "the probe was answered"
    raise SourceAnswers(why=f"{probe.word} ({answer.rstrip('.')})", todo=probe.todo)
