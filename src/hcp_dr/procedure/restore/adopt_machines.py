"""Returns the machine objects to Cluster API, from the bottom up: AWSMachines, Machines, MachineSets, then the
NodePools, whose un-pausing un-pauses the MachineDeployments and the MachineSets of NodePools with in-place upgrade
(rule A4), and the Cluster, which operators before 4.18 leave paused. Condition: the operator reports that no NodePool
would roll, every MachineSet has its machines, and every machine has a running instance."""

from __future__ import annotations

from dataclasses import replace

from hcp_dr.engine.step import Action, Decision, Do, Done, Patch, Refuse, Step, Wait, WatchTarget
from hcp_dr.errors import RESUME, HcpDrError, MachineUnsafe
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.machines.adoption import Facts, machine_fact, observe, pool_fact
from hcp_dr.hypershift.machines.paused_objects import PAUSED_KINDS, Held
from hcp_dr.kube.port import Resource
from hcp_dr.kube.resources import AWS_MACHINE, CLUSTER, CONFIG_MAP, MACHINE, MACHINE_DEPLOYMENT, MACHINE_SET, NODE_POOL
from hcp_dr.model import Unknown
from hcp_dr.objects.reading import annotations_of, name_of, some
from hcp_dr.upstream import CANONICAL_IMAGES

ORDER: tuple[Resource, ...] = (AWS_MACHINE, MACHINE, MACHINE_SET)
"""Top-level objects come after their NodePool: the operator pauses them again while the NodePool is paused."""


def check_safe(facts: Facts) -> HcpDrError | None:
    """The reason against un-pausing, or None."""
    problems = [f"NodePool {pool.name} would roll ({', '.join(pool.rolling)})" for pool in facts.pools if pool.rolling]
    problems += [
        f"NodePool {pool.name} would roll: its annotation {CANONICAL_IMAGES} is {pool.images}, was {pool.images_before}"
        for pool in facts.pools
        if pool.images != pool.images_before
    ]
    problems += [f"NodePool {pool.name} is being deleted" for pool in facts.pools if pool.deleting]
    problems += [f"{item.kind} {item.name} is being deleted" for item in facts.machines if item.deleting]
    existing = {(item.kind, item.name) for item in facts.machines}
    if existing != facts.wanted:
        differing = ", ".join(f"{kind} {name}" for kind, name in sorted(existing ^ facts.wanted))
        problems.append(f"machines differ from the backup: {differing}")
    problems += [
        f"{item.kind} {item.name} asks for {item.replicas} machines and owns {item.owned}"
        for item in facts.sets
        if item.replicas != item.owned
    ]
    providers = {item.name: item.provider_id for item in facts.machines if item.kind == "AWSMachine"}
    machine_providers = {item.provider_id for item in facts.machines if item.kind == "Machine"}
    for name, provider in providers.items():
        if provider and provider not in machine_providers:
            problems.append(f"no Machine has the instance of AWSMachine {name} ({provider})")
        if provider is None or provider.rpartition("/")[2] not in facts.running:
            problems.append(f"AWSMachine {name} has no running instance ({provider})")
    if not problems:
        return None
    return MachineUnsafe(
        what=f"Refusing to return machines on the destination to Cluster API: {'; '.join(problems)}."
        f"{_describe_inputs(facts)}",
        left="Paused machine objects stay paused; the hosted cluster serves.",
        todo=f"Fix this while the machine objects are paused, then run {RESUME}.",
    )


def _describe_inputs(facts: Facts) -> str:
    """The input that makes a NodePool roll."""
    if not any(pool.would_roll for pool in facts.pools):
        return ""
    if facts.differing:
        return f" Configuration inputs that differ from the backup: {some(facts.differing)}."
    return (
        " All readable configuration inputs are the same as in the backup: read the log of the destination's "
        "HyperShift operator."
    )


def plan(facts: Facts) -> Decision:
    if facts.lacking and any(item.paused for item in facts.held):
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
    if silent and any(item.paused for item in facts.held):
        return Wait(
            "the destination's operator reports whether the NodePools would roll",
            f"no report yet: {'; '.join(silent)}",
            timeouts.POOLS_TELL.seconds,
            WatchTarget("destination", NODE_POOL, facts.pools[0].namespace),
        )
    for resource in ORDER:
        held = tuple(item for item in facts.held if item.resource == resource and item.paused and not item.top)
        if held:
            return Do(tuple(item.pause("destination", on=False) for item in held))
    pools: tuple[Action, ...] = tuple(
        Patch("destination", NODE_POOL, pool.name, pool.namespace, {"spec": {"pausedUntil": pool.paused_before}})
        for pool in facts.pools
        if pool.paused != pool.paused_before
    )
    if pools:
        return Do(pools)
    remaining = tuple(item for item in facts.held if item.paused)
    if remaining:
        return Do(tuple(item.pause("destination", on=False) for item in remaining))
    if facts.paused_cluster is not None:
        unpaused = {"spec": {"paused": False}}
        return Do((Patch("destination", CLUSTER, facts.paused_cluster, facts.namespace, unpaused),))
    unadopted = [
        item.name
        for item in facts.machines
        if item.kind == "Machine" and item.node is None and item.provider_id in facts.nodes
    ]
    if unadopted:
        return Wait(
            "every Machine with a node has its nodeRef again",
            f"without nodeRef: {some(unadopted)}",
            timeouts.MACHINES_ADOPTED.seconds,
            WatchTarget("destination", MACHINE, facts.namespace),
        )
    return Done(f"{len(facts.wanted) // 2} machines are adopted, no machine was created or deleted")


def foresee(facts: Facts) -> Facts:
    """Facts as if the complete backup was restored and paused, and the nodes were back."""
    facts = replace(facts, lacking=())
    if facts.pools:
        return facts
    bodies = [item.body for item in facts.backup]
    pools = [{**body, "spec": {**body["spec"], "pausedUntil": "true"}} for body in bodies if body["kind"] == "NodePool"]
    tops = {item.entry.key for item in facts.backup if not {o.kind for o in item.entry.owners} & {"MachineDeployment"}}
    machines = tuple(machine_fact(body) for body in bodies if body["kind"] in ("Machine", "AWSMachine"))
    return replace(
        facts,
        pools=tuple(
            replace(pool_fact(pool, {}, annotations_of(pool).get(CANONICAL_IMAGES)), rolling=(), silent=())
            for pool in pools
        ),
        held=tuple(
            Held(
                resource,
                facts.namespace,
                name_of(body),
                paused=True,
                top=resource in (MACHINE_DEPLOYMENT, MACHINE_SET) and (resource.kind, name_of(body)) in tops,
            )
            for resource in PAUSED_KINDS
            for body in bodies
            if body["kind"] == resource.kind
        ),
        machines=tuple(replace(item, node=Unknown("its node")) for item in machines),
        running=frozenset(item.provider_id.rpartition("/")[2] for item in machines if item.provider_id),
    )


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.lacking:
        return replace(facts, lacking=())
    if any(pool.silent for pool in facts.pools):
        return replace(facts, pools=tuple(replace(pool, silent=()) for pool in facts.pools))
    if isinstance(decision, Wait):
        return replace(facts, machines=tuple(replace(item, node=Unknown("its node")) for item in facts.machines))
    patched = {a.resource for a in decision.actions if isinstance(a, Patch)} if isinstance(decision, Do) else set()
    if NODE_POOL in patched:
        return replace(facts, pools=tuple(replace(pool, paused=pool.paused_before) for pool in facts.pools))
    if CLUSTER in patched:
        return replace(facts, paused_cluster=None)
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
        timeouts.POOLS_TELL,
        timeouts.MACHINES_ADOPTED,
    ),
    foresee=foresee,
    afterwards=afterwards,
)
