"""Waits until the API's fixed name answers with this very cluster: the nonce that was put into it before the fence is
read back by name. Here the hosted API is back for everyone."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Done, Refuse, Step, Wait
from hcp_dr.errors import HcpDrError, NotProven
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.deletion.protocol import NOT_TORN_DOWN
from hcp_dr.hypershift.identity import nonce_of
from hcp_dr.hypershift.state import NONCE
from hcp_dr.model import Case, Ports


@dataclass(frozen=True, slots=True)
class Facts:
    hostname: str
    wanted: str | None  # remembered nonce
    answered: bool
    nonce: str | None
    silence: str  # why nobody answered


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    wanted = memory.get(NONCE)
    try:
        return Facts(case.api_hostname, wanted, answered=True, nonce=nonce_of(ports.hosted), silence="")
    except HcpDrError as error:
        if not error.passing:
            raise
        return Facts(case.api_hostname, wanted, answered=False, nonce=None, silence=error.what)


def plan(facts: Facts) -> Decision:
    if not facts.answered:
        return Wait(f"https://{facts.hostname} answers with this cluster", facts.silence, timeouts.PUBLISH_API.seconds)
    if facts.wanted is None or facts.nonce != facts.wanted:
        return Refuse(
            NotProven(
                what=f"https://{facts.hostname} answers, but without the nonce of this relocation: another content.",
                left=NOT_TORN_DOWN,
                todo="Do not delete anything. Look at which side the name leads to and at the etcd restore's log.",
            )
        )
    return Done(f"{facts.hostname} answers with the nonce of this relocation")


STEP = Step(
    name=steps.VERIFY_PUBLISH_API,
    documented="8.6.3-6",
    observe=observe,
    plan=plan,
    waits=(timeouts.PUBLISH_API,),
    checks="the API answers by its name with the nonce of this relocation",
    proof=True,
)
