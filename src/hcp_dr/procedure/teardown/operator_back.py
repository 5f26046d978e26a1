"""Starts the source's HyperShift operator again, for the other hosted clusters there. Condition: no object of this
hosted cluster is left whose deletion the operator would finish, because an operator with a half-deleted HostedCluster
deletes the live cluster's OIDC documents (rule F2). If other relocations have the operator stopped, the last of them
starts it, and this step waits: the deletion of the namespace needs the operator.

An operator with zero replicas before stays at zero, because the engineer who stopped the operator had a reason;
replicas that another client has set since are kept. An operator at zero is a warning: no hosted cluster there is
reconciled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Done, Refuse, Step
from hcp_dr.errors import RESUME, MachineUnsafe
from hcp_dr.hypershift import scope, timeouts
from hcp_dr.hypershift.deletion.protocol import operator_of
from hcp_dr.hypershift.deletion.remains import left_on_source
from hcp_dr.hypershift.operator_claim import Claim, at_zero, halfway, read_claim
from hcp_dr.hypershift.state import OPERATOR_BEFORE
from hcp_dr.hypershift.workloads import Workload
from hcp_dr.model import Case, Ports
from hcp_dr.upstream import OPERATOR


@dataclass(frozen=True, slots=True)
class Facts:
    remaining: tuple[str, ...]  # objects of this hosted cluster on the source
    operator: tuple[Workload, ...]
    claim: Claim  # on the operator
    before: Mapping[str, Any]  # remembered: replicas by Deployment
    halfway: tuple[str, ...] = ()  # paused objects of other hosted clusters in deletion


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    claim = read_claim(ports, case, "source")
    return Facts(
        remaining=left_on_source(ports, case),
        operator=operator_of(ports.source),
        claim=claim,
        halfway=halfway(ports.source, case),
        before=scope.replicas(memory, OPERATOR_BEFORE, (OPERATOR,)) or {},
    )


def plan(facts: Facts) -> Decision:
    if facts.remaining:
        return Refuse(
            MachineUnsafe(
                what=f"Objects of this hosted cluster are still on the source: {', '.join(facts.remaining)}.",
                left="The source's HyperShift operator stays at zero pods until the objects are gone: other hosted "
                "clusters there are not reconciled.",
                todo=f"Find out who created these objects again, then run {RESUME} soon.",
            )
        )
    next_round = facts.claim.returned(facts.operator, facts.before, facts.halfway)
    if next_round is not None:
        return next_round
    if facts.operator and not any(item.replicas for item in facts.operator):
        return Done("the source's HyperShift operator was at zero before, and stays at zero", (at_zero(facts.claim),))
    return Done("the source's HyperShift operator has its replicas back")


def foresee(facts: Facts) -> Facts:
    stopped = tuple(replace(item, replicas=0, pods=()) for item in facts.operator)
    before = dict(facts.before) or {item.name: item.replicas for item in facts.operator}
    return replace(facts, remaining=(), operator=stopped, before=before, claim=facts.claim.held("stopped"))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    claim = facts.claim.after(decision)
    if claim != facts.claim:
        return replace(facts, claim=claim)
    return replace(facts, operator=(), claim=facts.claim.unshared(), halfway=())


STEP = Step(
    name="teardown.operator_back",
    documented="-",
    observe=observe,
    plan=plan,
    waits=(timeouts.OPERATOR_SHARED, timeouts.OPERATOR_BACK),
    foresee=foresee,
    afterwards=afterwards,
)
