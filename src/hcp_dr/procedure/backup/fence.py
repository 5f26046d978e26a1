"""Makes the source unable to write: scales control-plane-operator to zero pods, then the three API servers. From here
the hosted API is unavailable, until `publish_api`.

kube-apiserver needs more than a minute to terminate and may serve open connections during this time, so the step
force-stops its pods with a short grace period; acknowledged writes are in etcd (rule C2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Decision, Do, Done, Invalidate, Refuse, Step, Wait, WatchTarget
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import RESUME, FenceBroken, NotProven
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.fence.lift import look_back, revert
from hcp_dr.hypershift.fence.state import IGNORE_PAUSE, RECONCILERS, WRITERS, Fence, read_fence
from hcp_dr.hypershift.identity import nonce_of, read_identity
from hcp_dr.hypershift.state import FENCE, IDENTITY, NONCE, REPLICAS_BEFORE, FenceRecord, HostedIdentity
from hcp_dr.hypershift.workloads import Workload, still_there, stop, stopping
from hcp_dr.kube.resources import POD
from hcp_dr.model import Case, Ports, Unknown


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    fence: Fence
    etcd_pod: str | None  # of the authoritative member; read only after the writers are gone
    revisions: tuple[int, int] | None  # of this member
    before: Mapping[str, int] | None  # remembered: replicas by Deployment
    identity: HostedIdentity | None  # the cluster's identity by uids; read while the hosted API still answers
    remembered: FenceRecord | None
    proposed_id: str
    now: float = 0.0  # seconds since the epoch
    marked: bool = True  # the hosted cluster has the nonce; read with the identity


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    fence = read_fence(ports.source, case)
    pod = etcd_members.truth(ports.source, case) if fence.breach() is None else None
    serves = not memory.has(REPLICAS_BEFORE)
    return Facts(
        namespace=case.control_plane_namespace,
        fence=fence,
        etcd_pod=pod,
        revisions=etcd_members.still_revision(ports.source, case, pod) if pod else None,
        before=memory.get(REPLICAS_BEFORE),
        identity=read_identity(ports.hosted) if serves else None,
        remembered=memory.get(FENCE),
        proposed_id=ports.fresh_id(),
        now=ports.now(),
        marked=not serves or nonce_of(ports.hosted) == memory.get(NONCE),
    )


def plan(facts: Facts) -> Decision:
    if not facts.fence.paused:
        lifted = FenceBroken(
            what="Another client lifted the pause of the HostedCluster on the source: its operator would restart "
            "stopped pods.",
            todo=f"Stop the client that lifts the pause, then run {RESUME}: it pauses the HostedCluster again.",
        )
        return Do((Invalidate((steps.BACKUP_PAUSE,), (), lifted, again=False),))
    if facts.fence.missing:
        return Refuse(
            FenceBroken(
                what=f"There is no Deployment {', '.join(facts.fence.missing)} in {facts.namespace} on the source, so "
                "hcp-dr cannot verify that its pods are gone.",
                left=Untouched("Nothing was stopped."),
                todo=f"Inspect the pods in the namespace and find out who deleted the Deployment; then run {RESUME}.",
            )
        )
    if not facts.marked:
        unmarked = NotProven(
            what="Another client deleted or changed ConfigMap default/hcp-dr-relocation in the hosted cluster: without "
            "its nonce the destination could not be verified.",
            left=Untouched("Nothing was stopped."),
            todo=f"Run {RESUME}: it writes the nonce again.",
        )
        return Do((Invalidate((steps.BACKUP_MARK_PARENT,), (), unmarked),))
    if facts.before is None:
        replicas = {item.name: item.replicas for item in facts.fence.watched}
        identity = (IDENTITY.remember(facts.identity),) if facts.identity else ()
        return Do((*identity, REPLICAS_BEFORE.remember(replicas)))
    for names in ((*RECONCILERS, *IGNORE_PAUSE), WRITERS):
        group = facts.fence.named(names)
        if any(not item.stopped for item in group):
            return _scale_to_zero(facts.namespace, group)
    return _settle_revision(facts)


def _settle_revision(facts: Facts) -> Decision:
    if facts.etcd_pod is None:
        return _wait("etcd has a Ready leader", "no leader yet", facts.namespace, timeouts.FENCED_ETCD_LEADS.seconds)
    if facts.revisions is None or facts.revisions[0] != facts.revisions[1]:
        return _wait(
            "etcd's revision stops changing",
            f"revisions {facts.revisions}",
            facts.namespace,
            timeouts.ETCD_STILL.seconds,
        )
    if facts.remembered is None:
        fence = FenceRecord(facts.proposed_id, facts.revisions[1], facts.now, facts.fence.generations, facts.fence.uids)
        return Do((FENCE.remember(fence),))
    return Done(f"no pod on the source can write; etcd is at revision {facts.revisions[1]}")


def _scale_to_zero(namespace: str, group: tuple[Workload, ...]) -> Decision:
    actions = stop("source", group)
    if actions:
        return Do(actions)
    names = ", ".join(item.name for item in group)
    return _wait(f"no pod of {names} is left", still_there(group), namespace, timeouts.FENCE_PODS_GONE.seconds)


def _wait(until: str, seen: str, namespace: str, limit: float) -> Wait:
    return Wait(until=until, seen=seen, limit=limit, wake=WatchTarget("source", POD, namespace))


def foresee(facts: Facts) -> Facts:
    return replace(facts, fence=replace(facts.fence, paused=True), marked=True)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if not facts.marked:
        return replace(facts, marked=True)
    if facts.before is None:
        return replace(facts, before={})
    if isinstance(decision, Do) and any(isinstance(action, Remember) for action in decision.actions):
        return replace(facts, remembered=FenceRecord(Unknown("id of the fence")))
    for names in ((*RECONCILERS, *IGNORE_PAUSE), WRITERS):
        group = facts.fence.named(names)
        if any(not item.stopped for item in group):
            stopped = {item.name: item for item in stopping(group)}
            items = tuple(stopped.get(item.name, item) for item in facts.fence.workloads)
            return replace(facts, fence=replace(facts.fence, workloads=items))
    return replace(facts, etcd_pod=facts.etcd_pod or Unknown("a pod of etcd"), revisions=(0, 0))


STEP = Step(
    name=steps.BACKUP_FENCE,
    documented="8.6.2-2",
    observe=observe,
    plan=plan,
    waits=(
        timeouts.FENCE_PODS_GONE,
        timeouts.FENCED_ETCD_LEADS,
        timeouts.ETCD_STILL,
    ),
    foresee=foresee,
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
)
