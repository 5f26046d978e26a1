"""Pauses the HostedCluster and every NodePool, verifies that the pause reaches the HostedControlPlane and the Cluster,
and pauses every machine object by annotation, because the pause of a NodePool covers only the MachineDeployment.

pausedUntil is the word true and never a date: a pause until a date ends without a client.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Action, Check, Decision, Do, Done, Patch, Step, Wait, WatchTarget
from hcp_dr.hypershift import scope, steps, timeouts
from hcp_dr.hypershift.machines import paused_objects
from hcp_dr.hypershift.machines.paused_objects import Held
from hcp_dr.hypershift.operator_lease import sign_of_operator
from hcp_dr.hypershift.state import PAUSED_BEFORE, PausedBefore
from hcp_dr.hypershift.workloads import has_ready_pod
from hcp_dr.kube.port import Object, Resource
from hcp_dr.kube.resources import (
    AWS_MACHINE,
    CLUSTER,
    HOSTED_CLUSTER,
    HOSTED_CONTROL_PLANE,
    MACHINE,
    MACHINE_HEALTH_CHECK,
    MACHINE_SET,
    NODE_POOL,
)
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import condition, dig, name_of
from hcp_dr.objects.select import node_pools_of
from hcp_dr.upstream import OPERATOR, OPERATOR_NAMESPACE, RECONCILIATION_ACTIVE

_PAUSED = ("true", "True")
_RUNNING = (None, "false", "False")


@dataclass(frozen=True, slots=True)
class Pausable:
    """An object with a pause. `value` is pausedUntil, or "true" for a Cluster with spec.paused."""

    resource: Resource
    namespace: str
    name: str
    value: str | None

    @property
    def key(self) -> str:
        return f"{self.resource.kind}/{self.name}"

    @property
    def paused(self) -> bool:
        return self.value in _PAUSED

    def set_to(self, value: str | None = "true") -> Patch:
        spec = {"paused": value in _PAUSED} if self.resource == CLUSTER else {"pausedUntil": value}
        return Patch("source", self.resource, self.name, self.namespace, {"spec": spec})


@dataclass(frozen=True, slots=True)
class Facts:
    asked: tuple[Pausable, ...]  # HostedCluster and NodePools: paused by hcp-dr
    reached: tuple[Pausable, ...]  # HostedControlPlane and Cluster: paused by the operator
    reconciling: str | None  # condition ReconciliationActive of the HostedCluster, at its generation
    operator_alive: bool
    machines: tuple[Held, ...]
    before: PausedBefore | None  # remembered


def _pausable(resource: Resource, item: Object) -> Pausable:
    if resource == CLUSTER:
        value = "true" if dig(item, "spec", "paused") else None
    else:
        value = dig(item, "spec", "pausedUntil")
    return Pausable(resource, item["metadata"]["namespace"], name_of(item), value)


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source, namespace = ports.source, case.control_plane_namespace
    hosted_cluster = source.get(HOSTED_CLUSTER, case.name, case.namespace)
    pools = node_pools_of(hosted_cluster, source.list(NODE_POOL, case.namespace).items)
    control_plane = source.find(HOSTED_CONTROL_PLANE, case.name, namespace)
    cluster = source.find(CLUSTER, case.infra_id, namespace)
    return Facts(
        asked=(_pausable(HOSTED_CLUSTER, hosted_cluster), *(_pausable(NODE_POOL, pool) for pool in pools)),
        reached=(
            *((_pausable(HOSTED_CONTROL_PLANE, control_plane),) if control_plane else ()),
            *((_pausable(CLUSTER, cluster),) if cluster else ()),
        ),
        reconciling=condition(hosted_cluster, RECONCILIATION_ACTIVE),
        operator_alive=has_ready_pod(source, OPERATOR, OPERATOR_NAMESPACE),
        machines=paused_objects.read_machine_objects(source, case),
        before=scope.pauses(memory),
    )


def _values(facts: Facts) -> PausedBefore:
    return PausedBefore(
        asked={item.key: item.value for item in facts.asked},
        reached={item.key: item.value for item in facts.reached},
        machines={item.key: item.paused for item in facts.machines},
    )


def _remember_new(
    facts: Facts, kind: Literal["asked", "machines"], items: Iterable[Pausable | Held]
) -> tuple[Action, ...]:
    """Remembers the values of objects that are newer than the remembered values, before these objects are paused."""
    before, now = facts.before or PausedBefore(), _values(facts)
    known = getattr(before, kind)
    missing = {item.key: getattr(now, kind)[item.key] for item in items if item.key not in known}
    return (PAUSED_BEFORE.remember(replace(before, **{kind: {**known, **missing}})),) if missing else ()


def plan(facts: Facts) -> Decision:
    if facts.before is None:
        return Do((PAUSED_BEFORE.remember(_values(facts)),))
    running = [item for item in facts.asked if not item.paused]
    if running:
        return Do((*_remember_new(facts, "asked", running), *(item.set_to() for item in running)))
    unpaused = [item for item in facts.reached if not item.paused]
    if unpaused and _operator_leaves(facts, unpaused, active="False"):
        return Do(tuple(item.set_to() for item in unpaused))
    if unpaused or (facts.operator_alive and facts.reconciling != "False"):
        seen = ", ".join(f"{item.resource.kind} {item.name} not paused" for item in unpaused)
        return Wait(
            until="the HyperShift operator has propagated the pause",
            seen=seen or f"ReconciliationActive is {facts.reconciling}",
            limit=timeouts.PAUSE_SPREAD.seconds,
            wake=WatchTarget("source", HOSTED_CLUSTER, facts.asked[0].namespace),
        )
    running_machines = [item for item in facts.machines if not item.paused]
    if running_machines:
        pauses = (item.pause("source", on=True) for item in running_machines)
        return Do((*_remember_new(facts, "machines", running_machines), *pauses))
    return Done(f"HostedCluster, {len(facts.asked) - 1} NodePools and {len(facts.machines)} machine objects are paused")


def _operator_leaves(facts: Facts, items: Iterable[Pausable], *, active: Literal["True", "False"]) -> bool:
    """Whether these pauses are left to hcp-dr: there is no operator, or the operator has propagated the pause to all
    but the Cluster. Operators before 4.18 never write to an existing Cluster (reconcileCAPICluster)."""
    if not facts.operator_alive:
        return True
    return facts.reconciling == active and all(item.resource == CLUSTER for item in items)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if isinstance(decision, Do):
        values = {action.key: action.value for action in decision.actions if isinstance(action, Remember)}
        facts = replace(facts, before=PAUSED_BEFORE.read(values) or facts.before)
        if len(decision.actions) == len(values):
            return facts
    if any(not item.paused for item in facts.asked):
        return replace(facts, asked=tuple(replace(item, value="true") for item in facts.asked))
    if any(not item.paused for item in facts.reached) or (facts.operator_alive and facts.reconciling != "False"):
        reached = tuple(replace(item, value="true") for item in facts.reached)
        return replace(facts, reached=reached, reconciling="False")
    return replace(facts, machines=tuple(replace(item, paused=True) for item in facts.machines))


def revert(facts: Facts) -> Decision:
    """From the bottom up, as in the adoption on the destination (rule A4); MachineHealthChecks come last. A value that
    another client has changed since is not restored."""
    if facts.before is None:
        return Done("nothing was paused")
    asked, was_held = facts.before.asked, facts.before.machines
    held = [item for item in facts.machines if item.paused and was_held.get(item.key) is False]
    for resource in (AWS_MACHINE, MACHINE, MACHINE_SET):
        group = [item for item in held if item.resource == resource and not item.top]
        if group:
            return _unpause(group)
    ours = [item for item in facts.asked if item.paused and asked.get(item.key, item.value) not in _PAUSED]
    if ours:
        return Do(tuple(item.set_to(asked[item.key]) for item in ours))
    propagation = _await_propagation(facts) if facts.asked[0].value in _RUNNING else None
    if propagation is not None:
        return propagation
    still_paused = {item.name for item in facts.asked[1:] if item.value not in _RUNNING}
    releasable = [item for item in held if not (item.top and item.name in still_paused)]  # the operator pauses the rest
    for is_health_check in (False, True):
        group = [item for item in releasable if (item.resource == MACHINE_HEALTH_CHECK) is is_health_check]
        if group:
            return _unpause(group)
    changed = [item for item in facts.asked if asked.get(item.key, item.value) != item.value]
    seen = ", ".join(f"pausedUntil of {item.key} is {item.value}, was {asked[item.key]}" for item in changed)
    why = "another client has set pausedUntil since; hcp-dr did not restore the former value"
    checks = (Check("paused", "warning", seen, why, "restore the value by hand if necessary"),) if changed else ()
    return Done("HostedCluster, NodePools and machine objects have their former pauses", checks)


def _unpause(group: Iterable[Held]) -> Do:
    return Do(tuple(item.pause("source", on=False) for item in group))


def _await_propagation(facts: Facts) -> Decision | None:
    """A running operator un-pauses the HostedControlPlane, and since 4.18 the Cluster; else this step does."""
    before = (facts.before or PausedBefore()).reached
    paused = [item for item in facts.reached if item.paused and before.get(item.key) not in _PAUSED]
    if paused and _operator_leaves(facts, paused, active="True"):
        return Do(tuple(item.set_to(before.get(item.key)) for item in paused))
    if not paused and (not facts.operator_alive or facts.reconciling == "True"):
        return None
    seen = ", ".join(f"{item.resource.kind} {item.name} still paused" for item in paused)
    return Wait(
        until="the HyperShift operator reconciles again",
        seen=seen or f"ReconciliationActive is {facts.reconciling}",
        limit=timeouts.PAUSE_SPREAD.seconds,
        wake=WatchTarget("source", HOSTED_CLUSTER, facts.asked[0].namespace),
    )


STEP = Step(
    name=steps.BACKUP_PAUSE,
    documented="8.6.2-2",
    observe=observe,
    plan=plan,
    waits=(timeouts.PAUSE_SPREAD,),
    sign=sign_of_operator("source"),
    afterwards=afterwards,
    revert=revert,
)
