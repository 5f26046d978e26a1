"""Registers the relocation as a holder of the source's HyperShift operator, which the teardown will stop, before any
other change: so other relocations off the source share the stop, and a relocation onto the source is refused.

The step then reads the holders of the destination's operator, which has to build the control plane: a relocation off
the destination stops it. If two relocations register on each other's destination, at least one steps back."""

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
    leaving = [each for each in destination.others if each.side == "source"]
    if leaving:
        return source.given_back() or destination.refused(_UNCHANGED, leaving)
    return source.registered(_UNCHANGED) or Done(f"{OBJECT} on the source has this relocation")


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, source=facts.source.after(decision) if facts.source else None)


def look_back(ports: Ports, case: Case, memory: RunState) -> Claim:
    del memory
    return read_claim(ports, case, "source")


def revert(claim: Claim) -> Decision:
    return claim.given_back() or Done(f"{OBJECT} on the source does not have this relocation")


STEP = Step(
    name=steps.BACKUP_CLAIM_OPERATOR,
    documented="-",
    observe=observe,
    plan=plan,
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
)
