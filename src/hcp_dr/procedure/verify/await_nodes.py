"""Waits until exactly the nodes of before are Ready with the new control plane. The Ready condition alone came over in
the snapshot, so each node's lease must have been renewed since.

It is looked at again by each `verify` and `resume`. Once Cluster API has the machines again, nodes may come and go as
somebody scales: that is told and stops nothing, unless a NodePool says that it rolls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Do, Done, Refuse, Step, Wait, WatchTarget
from hcp_dr.errors import MachineUnsafe
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.deletion.protocol import NOT_TORN_DOWN
from hcp_dr.hypershift.machines.rollout import rolling
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.state import IDENTITY, LEASES_BEFORE
from hcp_dr.hypershift.worker_nodes import NodeFact, read_nodes
from hcp_dr.kube.resources import LEASE, NODE_POOL
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import name_of, some
from hcp_dr.objects.select import node_pools_of
from hcp_dr.upstream import NODE_LEASES_NAMESPACE


@dataclass(frozen=True, slots=True)
class Facts:
    before: Mapping[str, str]  # node names to uids, remembered before the fence
    nodes: tuple[NodeFact, ...]
    leases_before: Mapping[str, Any] | None  # remembered when this step looked first
    lost: bool = False  # the source is: nodes of after the backup are nobody's doing
    adopted: bool = False  # remembered: Cluster API has the machines again, and may scale
    rolling: tuple[str, ...] = ()  # NodePools of the destination that say so, once adopted


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    identity, adopted = memory.get(IDENTITY), steps.RESTORE_ADOPT_MACHINES in memory.done
    return Facts(
        before=identity.nodes if identity else {},
        nodes=read_nodes(ports.hosted),
        leases_before=memory.get(LEASES_BEFORE),
        lost=is_lost(memory),
        adopted=adopted,
        rolling=_rolling(ports, case) if adopted else (),
    )


def _rolling(ports: Ports, case: Case) -> tuple[str, ...]:
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
                what=f"Nodes that are gone or were registered anew: {', '.join(replaced)}.{_told_rolling(facts)}",
                left=NOT_TORN_DOWN,
                todo="Look at their instances and kubelets before anything else.",
            )
        )
    strangers = [node.name for node in facts.nodes if node.name not in facts.before]
    if strangers and not facts.lost and not scaled:
        return Refuse(
            MachineUnsafe(
                what=f"Nodes that were not there before the fence: {', '.join(strangers)}.{_told_rolling(facts)}",
                left=NOT_TORN_DOWN,
                todo="Find out who made their instances: a NodePool that rolls makes one before it deletes another.",
            )
        )
    if facts.leases_before is None:
        return Do((LEASES_BEFORE.remember({node.name: node.renewed for node in facts.nodes}),))
    kept = [name for name in facts.before if name not in replaced]
    late = [name for name in kept if not now[name].ready or now[name].renewed == facts.leases_before.get(name, "")]
    if late:
        return Wait(
            until=f"all {len(kept)} nodes of before are Ready and renew their leases",
            seen=f"not yet: {', '.join(late)}",
            limit=timeouts.NODES_READY.seconds,
            wake=WatchTarget("hosted", LEASE, NODE_LEASES_NAMESPACE),
        )
    return Done(f"{len(kept)} nodes, the same as before, are Ready", _since(facts, replaced, strangers))


def _told_rolling(facts: Facts) -> str:
    return f" On the destination rolls NodePool {some(facts.rolling)}." if facts.rolling else ""


def _since(facts: Facts, replaced: list[str], strangers: list[str]) -> tuple[Check, ...]:
    """What came and went, where that may be."""
    if facts.adopted and (replaced or strangers):
        return (
            Check(
                "nodes",
                "warning",
                f"since the relocation came: {some(strangers) or 'none'}; went, or were registered anew: "
                f"{some(replaced) or 'none'}",
                "Cluster API has the machines again, and whoever scales a NodePool makes and removes nodes",
                "find out who did that, if nobody here did",
            ),
        )
    if strangers:
        return (
            Check(
                "nodes",
                "warning",
                f"nodes that are not in the backup: {', '.join(strangers)}",
                "their instances were made after it, and no Machine of the hosted cluster knows them",
                "drain them, delete them, and terminate their instances by hand, when nothing runs there any more",
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
