"""The fence is watched from its creation until teardown has stopped the source for good (rule C3).

Other clients may lift the pause or scale a writer up: GitOps, a recovery job, an engineer on call. Then the source is
closed again at once. Before the point of no return its snapshot is void, and the steps from the pause on are repeated,
with a fence of another id. After it the destination already serves, and lacks what the source acknowledged since.

An observation is cheap: one object and one list. A writer that came and went between two observations shows in the
generation of its Deployment, which is remembered with the fence.

A fence made by hand is watched from the acceptance of the backup. hcp-dr cannot take a new snapshot then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.peers import Stranger, namesake, stranger
from hcp_dr.engine.step import Check, Decision, Do, Done, Invalidate, Patch, Refuse, Step, Wait, Watch, WatchTarget
from hcp_dr.errors import RESUME, FenceBroken
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.backup_objects import is_ours
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.fence.state import FENCED, WRITERS, Fence, beside, is_paused
from hcp_dr.hypershift.state import (
    BREACHES,
    EXTERNAL_DNS_PODS,
    FENCE,
    MANUAL_BACKUP,
    SNAPSHOT_FILE,
    UPLOAD,
    Breach,
    FenceRecord,
)
from hcp_dr.hypershift.workloads import still_there, stop, workload
from hcp_dr.kube.port import FIELD_MANAGER, Object
from hcp_dr.kube.resources import DEPLOYMENT, HOSTED_CLUSTER, POD
from hcp_dr.model import Case, Ports
from hcp_dr.objects.field_owners import suspects
from hcp_dr.objects.moments import utc
from hcp_dr.objects.reading import dig, name_of

WATCH_NAME = "watch.fence"
RESTARTS_AT_MOST = 3
"""How often the source is fenced again before the point of no return; then the cause must be stopped first."""
VOID = (
    steps.BACKUP_PAUSE,
    steps.BACKUP_FENCE,
    steps.BACKUP_EXPORT_AGAIN,
    steps.BACKUP_SNAPSHOT_ETCD,
    steps.BACKUP_DELETE_ROUTES,
    steps.BACKUP_RELEASE_DNS,
    steps.RESTORE_CARRY_AGAIN,
    steps.RESTORE_HOSTED_CLUSTER,
    steps.RESTORE_NODE_POOLS,
    steps.RESTORE_REFRESH_EXTERNAL_DNS,
)
"""Steps that are void if the fence was lifted before the point of no return."""
_VOID_VALUES = tuple(key.name for key in (FENCE, SNAPSHOT_FILE, UPLOAD, EXTERNAL_DNS_PODS))


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str  # of the HostedCluster
    name: str
    control_plane_namespace: str
    now: float  # seconds since the epoch
    fence: Fence
    fenced: FenceRecord | None  # remembered
    breaches: tuple[Breach, ...]  # remembered; the last breach may be open
    done: tuple[str, ...]  # of the steps that a breach makes void
    suspects: tuple[str, ...] = ()
    released: bool | None = None  # whether the destination may have taken writes; None until the source is closed again
    revision: int | None = None  # of the source's etcd, after it is closed again
    by_hand: bool = False  # the snapshot was made by hand
    stranger: Stranger | None = None  # the observed cluster, if it is not the source of this relocation

    @property
    def open(self) -> Breach | None:
        return self.breaches[-1] if self.breaches and self.breaches[-1].closed is None else None


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source, namespace = ports.source, case.control_plane_namespace
    hosted_cluster = source.get(HOSTED_CLUSTER, case.name, case.namespace)
    deployments = tuple(item for item in source.list(DEPLOYMENT, namespace).items if name_of(item) in FENCED)
    facts = Facts(
        namespace=case.namespace,
        name=case.name,
        control_plane_namespace=namespace,
        now=ports.now(),
        fence=beside(memory.get(FENCE), is_paused(hosted_cluster), tuple(workload(item, ()) for item in deployments)),
        fenced=memory.get(FENCE),
        breaches=memory.get(BREACHES) or (),
        done=tuple(step for step in VOID if step in memory.done),
        by_hand=memory.has(MANUAL_BACKUP),
    )
    facts = replace(facts, stranger=namesake(ports, case, hosted_cluster))
    if alarm(facts) is None:
        return facts
    stranger_found = stranger(ports, case, "source") or facts.stranger
    if stranger_found is not None:
        return replace(facts, stranger=stranger_found)
    pods = source.list(POD, namespace).items
    fence = replace(facts.fence, workloads=tuple(workload(item, pods) for item in deployments))
    facts = replace(facts, fence=fence, suspects=_suspects(hosted_cluster, deployments, facts))
    if facts.open is None or not _closed(facts):
        return facts
    pod = etcd_members.truth(source, case)
    return replace(
        facts,
        released=steps.POINT_OF_NO_RETURN in memory.done or _serves(ports, case),
        revision=etcd_members.still_revision(source, case, pod)[1] if pod else None,
    )


def _suspects(hosted_cluster: Object, deployments: tuple[Object, ...], facts: Facts) -> tuple[str, ...]:
    """The authors of the changes."""
    writers = suspects(hosted_cluster, "spec", "pausedUntil", but=FIELD_MANAGER) if not facts.fence.paused else ()
    started = {item.name for item in facts.fence.watched if item.replicas} | {*facts.fence.touched}
    for item in deployments:
        if name_of(item) in started:
            writers += suspects(item, "spec", "replicas", but=FIELD_MANAGER)
    return tuple(dict.fromkeys(map(str, writers)))


def _serves(ports: Ports, case: Case) -> bool:
    """Was the destination's HostedCluster un-paused? From then on its API may take writes."""
    hosted_cluster = ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    return (
        hosted_cluster is not None
        and is_ours(hosted_cluster, case.backup_id)
        and dig(hosted_cluster, "spec", "pausedUntil") is None
    )


def _closed(facts: Facts) -> bool:
    return facts.fence.paused and all(item.stopped for item in facts.fence.watched)


def alarm(facts: Facts) -> str | None:
    if facts.stranger is not None:
        return facts.stranger.error.what
    if facts.open is not None:
        return f"the source is being fenced again: {facts.open.what}"
    wrong = [] if facts.fence.paused else ["its HostedCluster is no longer paused"]
    running = [f"{item.name} {item.replicas}" for item in facts.fence.watched if item.replicas or item.pods]
    if running:
        wrong.append(f"scaled up again: {', '.join(running)}")
    if facts.fence.touched:
        wrong.append(f"changed since the fence: {', '.join(facts.fence.touched)}")
    if not wrong:
        return None
    who = f" (written by {', '.join(facts.suspects)})" if facts.suspects else ""
    return f"the fence on the source was lifted: {'; '.join(wrong)}{who}"


def plan(facts: Facts) -> Decision:
    if facts.stranger is not None:
        return Refuse(facts.stranger.error)  # an unidentified cluster is not changed
    lifted = alarm(facts)
    if lifted is None:
        return Done("the source is fenced again" if facts.breaches else "the fence holds")
    remember = (BREACHES.remember((*facts.breaches, _breach(facts, lifted))),) if facts.open is None else ()
    pause = () if facts.fence.paused else (_pause(facts),)
    actions = (*remember, *pause, *stop("source", facts.fence.watched))
    if actions:
        return Do(actions)
    if not _closed(facts):
        running = still_there(facts.fence.watched)
        wake = WatchTarget("source", POD, facts.control_plane_namespace)
        return Wait(
            "no pod of the source can write any more", f"still there: {running}", timeouts.FENCE_PODS_GONE.seconds, wake
        )
    return _close(facts)


def _close(facts: Facts) -> Decision:
    """No client can write to the source any more. Decides the consequence of the writes during the breach."""
    last = replace(
        facts.breaches[-1],
        closed=facts.now,
        wrote=bool({*facts.fence.touched} & {*WRITERS}),
        released=facts.released,
        revision=facts.revision,
    )
    closed = BREACHES.remember((*facts.breaches[:-1], last))
    if facts.released and facts.fenced is not None:
        revision = facts.revision or facts.fenced.revision
        new = replace(facts.fenced, at=facts.now, revision=revision, generations=facts.fence.generations)
        new = replace(new, uids=facts.fence.uids)
        return Do((closed, FENCE.remember(new)))
    count = len(facts.breaches)
    if facts.by_hand:
        return Do((closed, Invalidate((), (), _void_by_hand(last.what), again=False)))
    error = FenceBroken(
        what=f"The snapshot is void: {last.what}" + (f" (time {count})." if count > 1 else "."),
        left="The source is fenced again, so the hosted API is down; nothing of it runs on the destination.",
        todo=f"Stop the client that lifts the fence. Then run {RESUME}. After a restore in a phase of its own, run "
        "`hcp-dr abort` and start over with a new BACKUP_DIR.",
    )
    return Do((closed, Invalidate(facts.done, _VOID_VALUES, error, again=count % RESTARTS_AT_MOST != 0)))


def _void_by_hand(what: str) -> FenceBroken:
    return FenceBroken(
        what=f"The snapshot made by hand may be void: {what}.",
        left="The source is fenced again, so the hosted API is down; nothing of it runs on the destination.",
        todo="Stop the client that lifts the fence. Then remove this restore's objects from the destination by hand, "
        "with its HyperShift operator at zero replicas; save the snapshot and the objects again, into a new folder.",
    )


def _pause(facts: Facts) -> Patch:
    return Patch("source", HOSTED_CLUSTER, facts.name, facts.namespace, {"spec": {"pausedUntil": "true"}})


def _breach(facts: Facts, wrong: str) -> Breach:
    fence = facts.fenced
    return Breach(
        what=wrong,
        seen=facts.now,
        who=facts.suspects,
        since=fence.at if fence else None,
        fence=fence.id if fence else None,
        stood=fence.revision if fence else None,
    )


def describe_breaches(memory: RunState) -> tuple[Check, ...]:
    """One check for each lifting of the fence."""
    return tuple(_describe(breach) for breach in memory.get(BREACHES) or ())


def _describe(breach: Breach) -> Check:
    until = f"fenced again at {utc(breach.closed)}" if breach.closed is not None else "not fenced again yet"
    message = f"{breach.what}; seen at {utc(breach.seen)}, {until}"
    if breach.closed is not None and not breach.released:
        return Check(WATCH_NAME, "warning", message, "the old snapshot was discarded, and a new one was taken")
    if breach.revision is not None and breach.revision == breach.stood:
        message += f"; etcd there is still at revision {breach.revision}: nothing was written"
        return Check(WATCH_NAME, "warning", message, "two control planes could have served")
    if breach.revision is not None:
        message += f"; etcd there went from revision {breach.stood or 'unknown'} to {breach.revision}"
    up = "its API was up" if breach.wrote else "none of its API servers was seen"
    since = breach.since
    window = f"after {utc(since)}, the time of the last fence" if since is not None else "since the fence was made"
    return Check(
        WATCH_NAME,
        "warning",
        f"{message}; {up}",
        f"what the source acknowledged {window} is lost; there is no record of what was written",
        "find out which client lifted the fence; before teardown, compare the source's etcd for writes in that time",
    )


WATCH = Watch(
    page=Step(name=WATCH_NAME, documented="-", observe=observe, plan=plan),
    after=(steps.BACKUP_FENCE, steps.BY_HAND_ACCEPT_BACKUP),
    until=steps.TEARDOWN_STOP_CONTROL_PLANE,
    alarm=alarm,
    describe=describe_breaches,
)
