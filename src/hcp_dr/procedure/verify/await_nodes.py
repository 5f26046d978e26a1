"""Waits until exactly the former nodes are Ready with the new control plane. The Ready condition itself is part of the
snapshot, so every node's Lease must have been renewed since.

Every `verify` and `resume` checks the nodes again. After the adoption by Cluster API, nodes may come and go with the
scaling of NodePools: the step then reports a warning and does not stop, unless a NodePool rolls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Do, Done, Refuse, Step, Wait, WatchTarget
from hcp_dr.errors import MachineUnsafe
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.backup_objects import to_restore
from hcp_dr.hypershift.deletion.protocol import NOT_TORN_DOWN
from hcp_dr.hypershift.machines.rollout import rolling
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.state import IDENTITY, LEASES_BEFORE
from hcp_dr.hypershift.worker_nodes import NodeFact, former_nodes, read_nodes
from hcp_dr.kube.resources import AWS_MACHINE, LEASE, NODE_POOL
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig, name_of, some
from hcp_dr.objects.select import node_pools_of
from hcp_dr.upstream import NODE_LEASES_NAMESPACE


@dataclass(frozen=True, slots=True)
class Facts:
    before: Mapping[str, str]  # node names to uids, remembered before the fence, of nodes that were Ready
    nodes: tuple[NodeFact, ...]
    leases_before: Mapping[str, Any] | None  # remembered at the first observation of this step
    lost: bool = False  # the source is lost: nodes newer than the backup are expected
    adopted: bool = False  # remembered: machines were returned to Cluster API, which may scale
    rolling: tuple[str, ...] = ()  # rolling NodePools of the destination, after the adoption
    not_ready: tuple[str, ...] = ()  # remembered: nodes that were not Ready before the fence
    machines: frozenset[str] = frozenset()  # provider ids of the backup's machines, read if there are new nodes


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    identity, adopted = memory.get(IDENTITY), steps.RESTORE_ADOPT_MACHINES in memory.done | memory.acted
    before, nodes = former_nodes(identity), read_nodes(ports.hosted)
    is_new = any(node.name not in before for node in nodes)
    return Facts(
        before=before,
        nodes=nodes,
        leases_before=memory.get(LEASES_BEFORE),
        lost=is_lost(memory),
        adopted=adopted,
        rolling=_read_rolling(ports, case) if adopted else (),
        not_ready=identity.not_ready if identity else (),
        machines=_read_machines(ports, case) if is_new and not adopted else frozenset(),
    )


def _read_machines(ports: Ports, case: Case) -> frozenset[str]:
    """A machine of the backup may have been started so late that its node joins on the destination."""
    machines = (item.body for item in to_restore(ports, case) if item.entry.kind == AWS_MACHINE.kind)
    return frozenset(str(found) for item in machines if (found := dig(item, "spec", "providerID")))


def _read_rolling(ports: Ports, case: Case) -> tuple[str, ...]:
    hosted_cluster = {"metadata": {"name": case.name}}
    pools = node_pools_of(hosted_cluster, ports.destination.list(NODE_POOL, case.namespace).items)
    return tuple(name_of(item) for item in pools if rolling(item))


def plan(facts: Facts) -> Decision:
    now = {node.name: node for node in facts.nodes}
    replaced = [name for name, uid in facts.before.items() if name not in now or now[name].uid != uid]
    scaled = facts.adopted and not facts.rolling
    if replaced and not scaled:
        return Refuse(
            MachineUnsafe(
                what=f"Nodes of the hosted cluster are gone or registered again: {', '.join(replaced)}."
                f"{_describe_rolling(facts)}",
                left=NOT_TORN_DOWN,
                todo="Inspect the instances and kubelets of these nodes before any other action.",
            )
        )
    known = {*facts.before, *facts.not_ready}
    strangers = [node.name for node in facts.nodes if node.name not in known and node.provider_id not in facts.machines]
    if strangers and not facts.lost and not scaled:
        return Refuse(
            MachineUnsafe(
                what=f"The hosted cluster has new nodes since the fence: {', '.join(strangers)}."
                f"{_describe_rolling(facts)}",
                left=NOT_TORN_DOWN,
                todo="Find out who created the instances: a rolling NodePool creates a machine before the deletion of "
                "another machine.",
            )
        )
    if facts.leases_before is None:
        return Do((LEASES_BEFORE.remember({node.name: node.renewed for node in facts.nodes}),))
    kept = [name for name in facts.before if name not in replaced]
    late = [name for name in kept if not now[name].ready or now[name].renewed == facts.leases_before.get(name, "")]
    if late:
        return Wait(
            until=f"all {len(kept)} former nodes are Ready and renew their Leases",
            seen=f"not yet: {', '.join(late)}",
            limit=timeouts.NODES_READY.seconds,
            wake=WatchTarget("hosted", LEASE, NODE_LEASES_NAMESPACE),
        )
    return Done(f"{len(kept)} nodes, the same as before, are Ready", _check_changes(facts, replaced, strangers))


def _describe_rolling(facts: Facts) -> str:
    return f" Rolling on the destination: NodePool {some(facts.rolling)}." if facts.rolling else ""


def _check_changes(facts: Facts, replaced: list[str], strangers: list[str]) -> tuple[Check, ...]:
    """New and missing nodes, when such changes are allowed; nodes without a proof."""
    return (*_check_not_ready(facts), *_check_scaled(facts, replaced, strangers))


def _check_not_ready(facts: Facts) -> tuple[Check, ...]:
    if not facts.not_ready:
        return ()
    return (
        Check(
            "nodes.not_ready",
            "warning",
            f"not Ready before the fence, and not verified: {some(facts.not_ready)}",
            "the machine of such a node may have lost its instance; Cluster API creates no other instance for it",
            "delete the Machine of a lost instance on the destination: its MachineSet then creates another",
        ),
    )


def _check_scaled(facts: Facts, replaced: list[str], strangers: list[str]) -> tuple[Check, ...]:
    if facts.adopted and (replaced or strangers):
        return (
            Check(
                "nodes",
                "warning",
                f"new nodes since the relocation: {some(strangers) or 'none'}; gone or registered again: "
                f"{some(replaced) or 'none'}",
                "Cluster API manages the machines again, and the scaling of a NodePool creates and removes nodes",
                "if these changes are unexpected, find out who scaled a NodePool",
            ),
        )
    if strangers:
        return (
            Check(
                "nodes",
                "warning",
                f"nodes that are not in the backup: {', '.join(strangers)}",
                "the instances are newer than the backup, and belong to no Machine of the hosted cluster",
                "drain and delete these nodes, and terminate the instances by hand when no workload runs there",
            ),
        )
    return ()


def foresee(facts: Facts) -> Facts:
    nodes = tuple(replace(node, ready=True, renewed="later") for node in facts.nodes)
    return replace(facts, before={node.name: node.uid for node in nodes}, nodes=nodes)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, leases_before={})


STEP = Step(
    name=steps.VERIFY_AWAIT_NODES,
    documented="8.6.3 verification",
    observe=observe,
    plan=plan,
    waits=(timeouts.NODES_READY,),
    foresee=foresee,
    proof=True,
    afterwards=afterwards,
)
