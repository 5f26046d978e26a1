"""Starts the source's HyperShift operator again, for the other hosted clusters there. Condition: no object of this
hosted cluster is left whose deletion the operator would finish, because an operator with a half-deleted HostedCluster
deletes the live cluster's OIDC documents (rule F2). The step then releases the claim, so that another relocation may
stop the operator.

An operator with zero replicas before stays at zero, because the engineer who stopped the operator had a reason;
replicas that another client has set since are kept. An operator at zero is a warning: no hosted cluster there is
reconciled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Do, Done, Refuse, Step, Wait, WatchTarget
from hcp_dr.errors import RESUME, MachineUnsafe
from hcp_dr.hypershift import scope, timeouts
from hcp_dr.hypershift.deletion.protocol import operator_of
from hcp_dr.hypershift.deletion.remains import left_on_source
from hcp_dr.hypershift.operator_claim import Claim, at_zero, read_claim
from hcp_dr.hypershift.state import OPERATOR_BEFORE
from hcp_dr.hypershift.workloads import Workload, scale
from hcp_dr.kube.resources import POD
from hcp_dr.model import Case, Ports
from hcp_dr.upstream import OPERATOR, OPERATOR_NAMESPACE


@dataclass(frozen=True, slots=True)
class Facts:
    remaining: tuple[str, ...]  # objects of this hosted cluster on the source
    operator: tuple[Workload, ...]
    claim: Claim  # on the operator
    before: Mapping[str, Any]  # remembered: replicas by Deployment


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    return Facts(
        remaining=left_on_source(ports, case),
        operator=operator_of(ports.source),
        claim=read_claim(ports, case, "source"),
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
    actions = tuple(
        scale("source", item, int(facts.before[item.name]))
        for item in facts.operator
        if facts.before.get(item.name) and item.replicas != facts.before[item.name]
    )
    if actions:
        left = "This hosted cluster is removed from the source; the source's HyperShift operator stays stopped."
        return facts.claim.needed(left) or Do(actions)
    if any(len(item.pods) < item.replicas for item in facts.operator):
        wake = WatchTarget("source", POD, OPERATOR_NAMESPACE)
        return Wait("the operator's pods are back", "pods are missing", timeouts.OPERATOR_BACK.seconds, wake)
    claim_release = facts.claim.give_back()
    if claim_release is not None:
        return claim_release
    if facts.operator and not any(item.replicas for item in facts.operator):
        return Done("the source's HyperShift operator was at zero before, and stays at zero", (at_zero(facts.claim),))
    return Done("the source's HyperShift operator has its replicas back")


def foresee(facts: Facts) -> Facts:
    stopped = tuple(replace(item, replicas=0, pods=()) for item in facts.operator)
    before = dict(facts.before) or {item.name: item.replicas for item in facts.operator}
    return replace(facts, remaining=(), operator=stopped, before=before, claim=facts.claim.held())


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if decision == facts.claim.give_back():
        return replace(facts, claim=replace(facts.claim, holder=None))
    return replace(facts, operator=(), claim=facts.claim.held())


STEP = Step(
    name="teardown.operator_back",
    documented="-",
    observe=observe,
    plan=plan,
    waits=(timeouts.OPERATOR_BACK,),
    foresee=foresee,
    afterwards=afterwards,
)
