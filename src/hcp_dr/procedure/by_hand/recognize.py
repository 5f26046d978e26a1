"""Is the cluster behind the API's hostname the hosted cluster of the backup? hcp-dr remembered no identity before a
manual fence, so the step recognizes the cluster by data of the backup and the source: the cluster ID, and exactly the
nodes of the machines, all older than the snapshot. The source has no API server, so the answer cannot come from the
source.

From here on the cluster is identified by uid and nonce like any other: `backup.mark_parent` writes the nonce on the
destination; the source never had this nonce.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Do, Done, Refuse, Step, Wait, WatchTarget
from hcp_dr.errors import RESUME, FenceBroken, HcpDrError, NotProven
from hcp_dr.hypershift import identity, timeouts
from hcp_dr.hypershift.backup_objects import to_restore
from hcp_dr.hypershift.deletion.protocol import NOT_TORN_DOWN
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.fence.state import Fence, read_fence
from hcp_dr.hypershift.manual_backup.snapshot import SKEW, seconds_of
from hcp_dr.hypershift.state import IDENTITY, MANUAL_BACKUP, HostedIdentity
from hcp_dr.kube.resources import MACHINE, NODE, POD
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import read_manifest
from hcp_dr.objects.reading import dig, name_of
from hcp_dr.objects.select import of_infrastructure


@dataclass(frozen=True, slots=True)
class NodeFact:
    name: str
    provider_id: str
    created: float | None  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Facts:
    hostname: str
    namespace: str  # of the control plane
    fence: Fence
    cluster_id: str  # of the HostedCluster in the backup
    machines: Mapping[str, str]  # provider ID by node name, from the source's Machines
    silence: str  # why the API did not answer, "" after an answer
    now: HostedIdentity | None
    nodes: tuple[NodeFact, ...]
    saved: float | None  # remembered: the upload time of the snapshot, in seconds since the epoch
    revision: int  # of the snapshot, 0 if unknown
    reached: int | None  # revision of the destination's etcd
    remembered: HostedIdentity | None


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    bodies = [item.body for item in to_restore(ports, case)]
    hosted_cluster = next(body for body in bodies if body["kind"] == "HostedCluster")
    machines = of_infrastructure(case.infra_id, ports.source.list(MACHINE, case.control_plane_namespace).items)
    manifest, by_hand = read_manifest(ports.archive), memory.get(MANUAL_BACKUP)
    facts = Facts(
        hostname=case.api_hostname,
        namespace=case.control_plane_namespace,
        fence=read_fence(ports.source, case),
        cluster_id=str(dig(hosted_cluster, "spec", "clusterID") or ""),
        machines={
            str(dig(item, "status", "nodeRef", "name")): str(dig(item, "spec", "providerID"))
            for item in machines
            if dig(item, "status", "nodeRef", "name")
        },
        silence="",
        now=None,
        nodes=(),
        saved=by_hand.modified if by_hand else None,
        revision=manifest.snapshot.revision if manifest and manifest.snapshot else 0,
        reached=max((member.revision for member in etcd_members.members(ports.destination, case)), default=None),
        remembered=memory.get(IDENTITY),
    )
    try:
        nodes = tuple(
            NodeFact(
                name_of(node),
                str(dig(node, "spec", "providerID") or ""),
                seconds_of(node["metadata"].get("creationTimestamp")),
            )
            for node in ports.hosted.list(NODE).items
        )
        now = replace(identity.read_identity(ports.hosted), not_ready=())  # they may have lost the API at the fence
        return replace(facts, now=now, nodes=nodes)
    except HcpDrError as error:
        if not error.passing:
            raise
        return replace(facts, silence=error.what)


def checks(facts: Facts) -> tuple[Check, ...]:
    now = facts.now
    cluster_id = now.cluster_id if now else ""
    same = bool(cluster_id) and cluster_id == facts.cluster_id
    nodes = {node.name: node.provider_id for node in facts.nodes}
    differing = sorted(name for name in {*nodes, *facts.machines} if nodes.get(name) != facts.machines.get(name))
    newer = [
        node.name
        for node in facts.nodes
        if facts.saved is not None and (node.created is None or node.created > facts.saved + SKEW)
    ]
    known = facts.reached is not None and facts.reached >= facts.revision
    return (
        _check("cluster_id", f"{cluster_id or 'none'}, in the backup {facts.cluster_id or 'none'}", ok=same),
        _check(
            "nodes",
            f"different from the nodes of the source's Machines: {', '.join(differing)}"
            if differing
            else f"{len(nodes)}, the nodes of the Machines",
            ok=not differing and bool(nodes),
        ),
        _check(
            "nodes_of_the_snapshot",
            f"registered after the snapshot: {', '.join(newer)}" if newer else "all nodes are older than the snapshot",
            ok=not newer and facts.saved is not None,
        ),
        _check("revision", f"etcd is at {facts.reached}, the snapshot at {facts.revision or '(unknown)'}", ok=known),
    )


def _check(name: str, seen: str, *, ok: bool) -> Check:
    why = "an unverified cluster may serve other content under the hosted cluster's name"
    return Check(name, "ok" if ok else "blocked", seen, "" if ok else why)


def plan(facts: Facts) -> Decision:
    breach = facts.fence.breach()
    if breach:
        return Refuse(
            FenceBroken(
                what=f"The fence on the source is broken ({breach}): the answer of the API may come from either side.",
                left=NOT_TORN_DOWN,
                todo=f"Stop the client that lifted the fence, then run {RESUME}.",
            )
        )
    if facts.silence:
        return Wait(f"https://{facts.hostname} answers with this cluster", facts.silence, timeouts.PUBLISH_API.seconds)
    if facts.reached is None:
        wake = WatchTarget("destination", POD, facts.namespace)
        return Wait("the destination's etcd answers", "no member answers", timeouts.ETCD_MEMBERS.seconds, wake)
    results = checks(facts)
    failed = [f"{check.name} {check.seen}" for check in results if check.stops]
    if failed:
        return Refuse(
            NotProven(
                what=f"The answering cluster is not verified as the cluster of the backup: {'; '.join(failed)}.",
                left=NOT_TORN_DOWN,
                todo="Do not delete anything. Compare the cluster with the backup.",
            ),
            results,
        )
    if facts.remembered is None and facts.now is not None:
        return Do((IDENTITY.remember(facts.now),))
    return Done(f"cluster ID {facts.cluster_id}, {len(facts.nodes)} nodes of the snapshot", results)


def foresee(facts: Facts) -> Facts:
    now = facts.now or HostedIdentity(facts.cluster_id, {}, {}, 0)
    created = facts.saved or 0.0
    return replace(
        facts,
        fence=facts.fence.made(),
        silence="",
        now=replace(now, cluster_id=facts.cluster_id),
        nodes=tuple(NodeFact(name, provider, created) for name, provider in facts.machines.items()),
        saved=created,
        reached=facts.revision,
    )


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, remembered=HostedIdentity())


STEP = Step(
    name="by_hand.recognize",
    documented="-",
    observe=observe,
    plan=plan,
    waits=(
        timeouts.PUBLISH_API,
        timeouts.ETCD_MEMBERS,
    ),
    foresee=foresee,
    afterwards=afterwards,
)
