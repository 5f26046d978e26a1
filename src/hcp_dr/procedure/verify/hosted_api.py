"""The last check from inside: the hosted cluster's ClusterVersion is readable, and all nodes are Ready."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Done, Step, Wait
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.state import IDENTITY
from hcp_dr.hypershift.worker_nodes import still_not_ready
from hcp_dr.kube.resources import CLUSTER_VERSION, NODE
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import condition, dig, name_of


@dataclass(frozen=True, slots=True)
class Facts:
    version: str | None  # of ClusterVersion version; None if absent
    nodes: int
    not_ready: tuple[str, ...]
    former: tuple[str, ...] = ()  # nodes that were not Ready before the fence, and are not Ready now


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    version = ports.hosted.find(CLUSTER_VERSION, "version")
    nodes, former = ports.hosted.list(NODE).items, still_not_ready(ports.hosted, memory.get(IDENTITY))
    history = dig(version, "status", "history") or [{}]
    return Facts(
        version=None if version is None else str(history[0].get("version") or dig(version, "spec", "clusterID")),
        nodes=len(nodes),
        not_ready=tuple(
            name for node in nodes if condition(node, "Ready") != "True" and (name := name_of(node)) not in former
        ),
        former=former,
    )


def plan(facts: Facts) -> Decision:
    if facts.version is None:
        return Wait("ClusterVersion version can be read", "the object does not exist", timeouts.HOSTED_API.seconds)
    if facts.not_ready:
        return Wait("all nodes are Ready", f"not ready: {', '.join(facts.not_ready)}", timeouts.HOSTED_API.seconds)
    return Done(f"version {facts.version}, {facts.nodes - len(facts.former)} nodes Ready")


STEP = Step(
    name=steps.VERIFY_HOSTED_API,
    documented="8.6.4 validation",
    observe=observe,
    plan=plan,
    waits=(timeouts.HOSTED_API,),
    checks="the hosted API reports a version, and all nodes are Ready",
    proof=True,
)
