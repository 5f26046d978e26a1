"""Claims the source's HyperShift operator, which the teardown will stop, before any other change: of two relocations
off one management cluster the second is refused here, not after its hosted cluster has moved.

Preflight has checked the claim, so that only relocations with the same start time compete here. The step also checks
the claim on the destination's operator, which has to build the control plane; if two relocations claim the operators of
each other's destination, both release their claims."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Done, Step
from hcp_dr.hypershift import steps
from hcp_dr.hypershift.operator_claim import OBJECT, Claim, read_claim
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.model import Case, Ports

_UNCHANGED = "Nothing of this hosted cluster was changed."


@dataclass(frozen=True, slots=True)
class Facts:
    source: Claim | None  # None after the point of no return
    destination: Claim | None


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    if POINT_OF_NO_RETURN in memory.acted:
        return Facts(None, None)
    return Facts(read_claim(ports, case, "source"), read_claim(ports, case, "destination"))


def plan(facts: Facts) -> Decision:
    """After the point of no return, only a relocation of an older release has this step to do: an unreachable source
    must not keep the hosted API unavailable, and the teardown claims the operator if necessary."""
    source, destination = facts.source, facts.destination
    if source is None or destination is None:
        return Done("this relocation began without a claim; the teardown claims the operator")
    if destination.other is not None:
        return source.give_back() or destination.refused(_UNCHANGED)
    return source.needed(_UNCHANGED) or Done(f"{OBJECT} on the source belongs to this relocation")


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
