"""Returns the machine objects to Cluster API, from the bottom up: AWSMachines, Machines, MachineSets, then the objects
right below NodePools (rule A4), and at last the Cluster, by un-pausing the HostedCluster. Condition: no NodePool would
roll, every MachineSet has its machines, and every machine has a running instance."""

from __future__ import annotations

from dataclasses import replace

from hcp_dr.engine.step import Decision, Do, Done, Patch, Refuse, Step, Wait, WatchTarget
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.machines import adoption
from hcp_dr.hypershift.machines.adoption import Facts, check_safe, observe
from hcp_dr.hypershift.operator_claim import stopped_on
from hcp_dr.hypershift.operator_lease import sign_of_operator
from hcp_dr.kube.port import Resource
from hcp_dr.kube.resources import AWS_MACHINE, CLUSTER, HOSTED_CLUSTER, MACHINE, MACHINE_SET, NODE_POOL
from hcp_dr.model import Unknown
from hcp_dr.objects.reading import some

ORDER: tuple[Resource, ...] = (AWS_MACHINE, MACHINE, MACHINE_SET)
"""Top-level objects come after their NodePool: the operator pauses them again while the NodePool is paused."""


def plan(facts: Facts) -> Decision:
    error = check_safe(facts)
    if error is not None:
        return Refuse(error)
    for resource in ORDER:
        held = tuple(item for item in facts.held if item.resource == resource and item.paused and not item.top)
        if held:
            return Do(tuple(item.pause("destination", on=False) for item in held))
    pools = [pool for pool in facts.pools if pool.paused != pool.paused_before]
    if pools:
        return Do(tuple(pool.pause_until(pool.paused_before) for pool in pools))
    remaining = tuple(item for item in facts.held if item.paused)
    if remaining:
        return Do(tuple(item.pause("destination", on=False) for item in remaining))
    resumed = _resume_cluster(facts)
    if resumed is not None:
        return resumed
    unadopted = [
        item.name
        for item in facts.machines
        if item.kind == "Machine"
        and item.node is None
        and item.provider_id in facts.nodes
        and item.provider_id.rpartition("/")[2] not in facts.gone
    ]
    if unadopted:
        return Wait(
            "every Machine with a node has its nodeRef again",
            f"without nodeRef: {some(unadopted)}",
            timeouts.MACHINES_ADOPTED.seconds,
            WatchTarget("destination", MACHINE, facts.namespace),
        )
    same = {(item.kind, item.name) for item in facts.machines} == facts.wanted
    outcome = "no machine was created or deleted" if same else "and scaled since, as the NodePools ask for"
    return Done(f"{len(facts.wanted) // 2} machines are adopted, {outcome}")


def _resume_cluster(facts: Facts) -> Decision | None:
    """The next round towards an un-paused Cluster, None once it is un-paused."""
    if facts.hosted_paused is not None:
        unpaused: dict[str, object] = {"spec": {"pausedUntil": None}}
        return Do((Patch("destination", HOSTED_CLUSTER, facts.hosted_cluster, facts.hosted_namespace, unpaused),))
    if facts.cluster is None or not facts.cluster_paused:
        return None
    if facts.reconciling == "True":  # operators before 4.18 leave the Cluster as it is
        return Do((Patch("destination", CLUSTER, facts.cluster, facts.namespace, {"spec": {"paused": False}}),))
    return Wait(
        "the destination's operator reconciles again",
        f"ReconciliationActive is {facts.reconciling}, and Cluster {facts.cluster} is paused",
        timeouts.PAUSE_SPREAD.seconds,
        WatchTarget("destination", HOSTED_CLUSTER, facts.hosted_namespace),
    )


def foresee(facts: Facts) -> Facts:
    """Facts as if the NodePools were un-paused."""
    facts = adoption.foresee(facts)
    if not facts.is_held:
        return facts
    return replace(
        facts,
        pools=tuple(replace(pool, paused=pool.paused_before) for pool in facts.pools),
        held=tuple(replace(item, paused=item.paused and not item.top) for item in facts.held),
        hosted_paused="true",
        reconciling="False",
        cluster_paused=facts.cluster is not None,
    )


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if isinstance(decision, Wait):
        if facts.cluster_paused:
            return replace(facts, cluster_paused=False)
        return replace(facts, machines=tuple(replace(item, node=Unknown("its node")) for item in facts.machines))
    patched = {a.resource for a in decision.actions if isinstance(a, Patch)} if isinstance(decision, Do) else set()
    if NODE_POOL in patched:
        return replace(facts, pools=tuple(replace(pool, paused=pool.paused_before) for pool in facts.pools))
    if HOSTED_CLUSTER in patched:
        return replace(facts, hosted_paused=None, reconciling=None)
    if CLUSTER in patched:
        return replace(facts, cluster_paused=False)
    tops = not any(pool.paused != pool.paused_before for pool in facts.pools)
    held = tuple(
        replace(item, paused=item.paused and (item.resource not in patched or (item.top and not tops)))
        for item in facts.held
    )
    return replace(facts, held=held)


STEP = Step(
    name=steps.RESTORE_ADOPT_MACHINES,
    documented="8.6.3-7",
    observe=observe,
    plan=plan,
    waits=(
        timeouts.PAUSE_SPREAD,
        timeouts.MACHINES_ADOPTED,
        timeouts.OPERATOR_FREE,
    ),
    held_up=stopped_on("destination"),
    sign=sign_of_operator("destination"),
    foresee=foresee,
    afterwards=afterwards,
)
