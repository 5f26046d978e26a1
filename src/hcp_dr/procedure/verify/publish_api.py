"""Waits until this very cluster answers under the API's fixed hostname: reads back the nonce from before the fence
through the hostname. From here the hosted API is available for all clients."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.peers import Stranger, another_address
from hcp_dr.engine.step import Decision, Done, Refuse, Step, Wait
from hcp_dr.errors import HcpDrError, NotProven
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.deletion.protocol import NOT_TORN_DOWN
from hcp_dr.hypershift.etcd.restorable import PART_RESTORED
from hcp_dr.hypershift.identity import proving_nonce
from hcp_dr.hypershift.state import NONCE
from hcp_dr.model import Case, Ports


@dataclass(frozen=True, slots=True)
class Facts:
    hostname: str
    wanted: str | None  # remembered nonce
    answered: bool
    nonce: str | None
    silence: str  # why the API did not answer
    address: Stranger | None = None  # the hosted kubeconfig has another address than the fixed hostname


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    wanted, address = memory.get(NONCE), another_address(ports, case)
    if address is not None:
        return Facts(case.api_hostname, wanted, answered=False, nonce=None, silence="", address=address)
    try:
        return Facts(case.api_hostname, wanted, answered=True, nonce=proving_nonce(ports.hosted, memory), silence="")
    except HcpDrError as error:
        if not error.passing:
            raise
        return Facts(case.api_hostname, wanted, answered=False, nonce=None, silence=error.what)


def plan(facts: Facts) -> Decision:
    if facts.address is not None:
        return Refuse(facts.address.error)
    if not facts.answered:
        return Wait(f"https://{facts.hostname} answers with this cluster", facts.silence, timeouts.PUBLISH_API.seconds)
    if facts.wanted is None or facts.nonce != facts.wanted:
        part = f": {PART_RESTORED}" if facts.nonce is None and facts.wanted is not None else ""
        return Refuse(
            NotProven(
                what=f"https://{facts.hostname} answers with other content: the nonce of this relocation is missing.",
                left=NOT_TORN_DOWN,
                todo="Do not delete anything. Check to which side the hostname resolves, and read the log of the etcd "
                f"restore{part}.",
            )
        )
    return Done(f"{facts.hostname} answers with the nonce of this relocation")


STEP = Step(
    name=steps.VERIFY_PUBLISH_API,
    documented="8.6.3-6",
    observe=observe,
    plan=plan,
    waits=(timeouts.PUBLISH_API,),
    checks="the API answers under its hostname with the nonce of this relocation",
    proof=True,
)
