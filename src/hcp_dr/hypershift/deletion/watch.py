"""Removed objects are watched from their removal to the end of the relocation: an owner or a tool may create the
HostedCluster or a NodePool on the source again, and the source's operator would then build a second control plane with
the same infraID. Such an object ends the run at once, and is never removed: its owner would create it once more.
"""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.peers import Stranger, stranger
from hcp_dr.engine.step import Decision, Done, Refuse, Step, Watch
from hcp_dr.hypershift import steps
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, NODE_POOL
from hcp_dr.model import Case, Ports
from hcp_dr.objects.field_owners import writers
from hcp_dr.objects.reading import name_of, namespace_of, owner_names, uid_of
from hcp_dr.objects.select import node_pools_of

WATCH_NAME = "watch.removed"


@dataclass(frozen=True, slots=True)
class Facts:
    server: str  # of the source
    again: tuple[str, ...] = ()  # descriptions of removed objects that exist again
    stranger: Stranger | None = None  # another cluster than the source of this relocation


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source = ports.source
    again: list[Object] = []
    if steps.TEARDOWN_NODE_POOLS in memory.done:
        again += node_pools_of({"metadata": {"name": case.name}}, source.list(NODE_POOL, case.namespace).items)
    if steps.TEARDOWN_HOSTED_CLUSTER in memory.done:
        hosted_cluster = source.find(HOSTED_CLUSTER, case.name, case.namespace)
        again += [hosted_cluster] if hosted_cluster else []
    return Facts(source.server, tuple(map(_describe, again)), stranger(ports, case, "source") if again else None)


def _describe(item: Object) -> str:
    """With the time and the clients, as far as the object tells them."""
    by = (*owner_names(item), *(writer.manager for writer in writers(item, "spec")))
    since = f", created at {item['metadata']['creationTimestamp']}" if "creationTimestamp" in item["metadata"] else ""
    author = f" by {', '.join(dict.fromkeys(by))}" if by else ""
    return f"{item['kind']} {namespace_of(item)}/{name_of(item)} has uid {uid_of(item)}{since}{author}"


def alarm(facts: Facts) -> str | None:
    return f"on the source again: {'; '.join(facts.again)}" if facts.again else None


def plan(facts: Facts) -> Decision:
    if not facts.again:
        return Done("no removed object exists again")
    other = facts.stranger
    if other is not None and not other.again:
        return Refuse(other.error)
    return Refuse(Stranger("source", facts.server, "; ".join(facts.again), again=True).error)


def look_through(ports: Ports, case: Case, memory: RunState) -> Decision:
    """Reads and decides, as the gate of a step that must not follow an alarm."""
    return plan(observe(ports, case, memory))


WATCH = Watch(
    page=Step(name=WATCH_NAME, documented="-", observe=observe, plan=plan),
    after=(steps.TEARDOWN_NODE_POOLS,),
    until=steps.FINISH_OIDC_DOCUMENTS,
    alarm=alarm,
)
