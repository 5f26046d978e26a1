"""Un-pauses the NodePools while Cluster API is paused, and verifies that no machine would be replaced (rule A9).

The operator computes the machine template in the call that writes it to the MachineDeployment, after the NodePool is
un-paused. So the Cluster is paused first, by the pause of the HostedCluster, and every machine object keeps its own
paused annotation. If a template is another than in the backup, the NodePools are paused again, the template of the
backup is put back, and the step refuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hcp_dr.engine.step import Decision, Do, Done, Invalidate, Patch, Refuse, Step, Wait, WatchTarget
from hcp_dr.errors import RESUME, MachineUnsafe
from hcp_dr.hypershift import timeouts
from hcp_dr.hypershift.machines.adoption import Facts, check_safe, foresee, observe
from hcp_dr.hypershift.operator_claim import stopped_on
from hcp_dr.hypershift.operator_lease import sign_of_operator
from hcp_dr.kube.resources import CLUSTER, CONFIG_MAP, HOSTED_CLUSTER, MACHINE_DEPLOYMENT, NODE_POOL
from hcp_dr.objects.reading import some


def plan(facts: Facts) -> Decision:
    if not facts.is_held:
        return Done("Cluster API has its machines already")
    unknown = _await_report(facts)
    if unknown is not None:
        return unknown
    if facts.differing_templates:
        return _put_back(facts)
    waiting = [pool for pool in facts.pools if pool.paused != pool.paused_before]
    if waiting:
        return _pause_cluster(facts) or Do(tuple(pool.pause_until(pool.paused_before) for pool in waiting))
    unwritten = [item.name for item in facts.unwritten]
    if unwritten:
        return Wait(
            "the destination's operator has written the machine template of each NodePool",
            f"its pause is still on: {some(unwritten)}",
            timeouts.POOLS_TELL.seconds,
            WatchTarget("destination", MACHINE_DEPLOYMENT, facts.namespace),
        )
    return Done(f"{len(facts.pools)} NodePools are un-paused, and no machine template differs from the backup")


def _await_report(facts: Facts) -> Decision | None:
    if facts.lacking:
        return Wait(
            "the ConfigMaps with the NodePools' configuration exist on the destination",
            f"missing: {some(facts.lacking)}",
            timeouts.POOLS_TELL.seconds,
            WatchTarget("destination", CONFIG_MAP, facts.namespace),
        )
    error = check_safe(facts)
    if error is not None:
        return Refuse(error)
    silent = [f"NodePool {pool.name}: {', '.join(pool.silent)}" for pool in facts.pools if pool.silent]
    if silent:
        return Wait(
            "the destination's operator reports whether the NodePools would roll",
            f"no report yet: {'; '.join(silent)}",
            timeouts.POOLS_TELL.seconds,
            WatchTarget("destination", NODE_POOL, facts.pools[0].namespace),
        )
    return None


def _pause_cluster(facts: Facts) -> Decision | None:
    """The next round towards a paused Cluster, None once it is paused."""
    if facts.cluster is None or facts.cluster_paused:
        return None
    if facts.hosted_paused is None:
        paused = {"spec": {"pausedUntil": "true"}}
        return Do((Patch("destination", HOSTED_CLUSTER, facts.hosted_cluster, facts.hosted_namespace, paused),))
    if facts.reconciling == "False":  # operators before 4.18 leave the Cluster as it is
        return Do((Patch("destination", CLUSTER, facts.cluster, facts.namespace, {"spec": {"paused": True}}),))
    return Wait(
        "the destination's operator has propagated the pause",
        f"Cluster {facts.cluster} is not paused",
        timeouts.PAUSE_SPREAD.seconds,
        WatchTarget("destination", HOSTED_CLUSTER, facts.hosted_namespace),
    )


def _put_back(facts: Facts) -> Decision:
    """NodePools first: an operator that still reconciles one would write its template again."""
    names = {item.name for item in facts.differing_templates}
    running = [pool for pool in facts.pools if pool.name in names and pool.paused is None]
    if running:
        return Do(tuple(pool.pause_until("true") for pool in running))
    listed = ", ".join(f"{item.name}: {item.describe()}" for item in facts.differing_templates)
    error = MachineUnsafe(
        what=f"Refusing to return machines on the destination to Cluster API: the destination's HyperShift operator "
        f"would roll NodePools, because their machine templates differ from the backup ({listed}).",
        left="The templates of the backup were put back, and these NodePools are paused again. Paused machine objects "
        "stay paused; the hosted cluster serves.",
        todo=f"Compare the AWSMachineTemplates to find the input that differs, fix it, then run {RESUME}.",
    )
    back = (
        Patch("destination", MACHINE_DEPLOYMENT, item.name, facts.namespace, item.put_back())
        for item in facts.differing_templates
    )
    return Do((*back, Invalidate((), (), error, again=False)))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.lacking:
        return replace(facts, lacking=())
    if any(pool.silent for pool in facts.pools):
        return replace(facts, pools=tuple(replace(pool, silent=()) for pool in facts.pools))
    patched = _patched(decision.actions) if isinstance(decision, Do) else set()
    if HOSTED_CLUSTER in patched:
        return replace(facts, hosted_paused="true")
    if facts.differing_templates:
        templates = tuple(replace(item, present=item.wanted) for item in facts.templates)
        pools = tuple(replace(pool, paused="true") for pool in facts.pools)
        return replace(facts, pools=pools, templates=templates if MACHINE_DEPLOYMENT in patched else facts.templates)
    if NODE_POOL in patched:
        return replace(facts, pools=tuple(replace(pool, paused=pool.paused_before) for pool in facts.pools))
    if (isinstance(decision, Wait) and not facts.cluster_paused) or CLUSTER in patched:
        return replace(facts, cluster_paused=True)
    return replace(facts, held=tuple(replace(item, paused=item.paused and not item.top) for item in facts.held))


def _patched(actions: Iterable[object]) -> set[object]:
    return {action.resource for action in actions if isinstance(action, Patch)}


STEP = Step(
    name="restore.unpause_node_pools",
    documented="8.6.3-7",
    observe=observe,
    plan=plan,
    waits=(timeouts.POOLS_TELL, timeouts.PAUSE_SPREAD, timeouts.OPERATOR_FREE),
    held_up=stopped_on("destination"),
    sign=sign_of_operator("destination"),
    foresee=foresee,
    afterwards=afterwards,
)
