"""Claims the source's HyperShift operator, which the teardown will stop, before anything else is done: of two
relocations off one management cluster the second is refused here, not when its hosted cluster has moved.

Preflight has looked already, so that only who began at the same moment meets here. Whoever claims also looks whether
somebody else has claimed the operator of the destination, which is to build the control plane; two that want each
other's both step back."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Done, Step
from hcp_dr.hypershift import steps
from hcp_dr.hypershift.operator_claim import OBJECT, Claim, read_claim
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.model import Case, Ports

_LEFT = "Nothing of this hosted cluster was changed."


@dataclass(frozen=True, slots=True)
class Facts:
    source: Claim | None  # None past the point of no return
    destination: Claim | None


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    if POINT_OF_NO_RETURN in memory.acted:
        return Facts(None, None)
    return Facts(read_claim(ports, case, "source"), read_claim(ports, case, "destination"))


def plan(facts: Facts) -> Decision:
    """Past the point of no return this is none's first step but of a relocation that an older release began: a source
    that does not answer must not keep its API away, and the teardown claims what it needs."""
    source, destination = facts.source, facts.destination
    if source is None or destination is None:
        return Done("this relocation began without; the teardown asks for it")
    if destination.other is not None:
        return source.give_back() or destination.refused(_LEFT)
    return source.needed(_LEFT) or Done(f"{OBJECT} on the source is this relocation's")


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.source is None or facts.source.is_ours:
        return replace(facts, source=None)
    return replace(facts, source=facts.source.held())


def look_back(ports: Ports, case: Case, memory: RunState) -> Claim:
    del memory
    return read_claim(ports, case, "source")


def revert(claim: Claim) -> Decision:
    return claim.give_back() or Done("this relocation has no claim on the source's operator")


STEP = Step(
    name=steps.BACKUP_CLAIM_OPERATOR,
    documented="-",
    observe=observe,
    plan=plan,
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
)
