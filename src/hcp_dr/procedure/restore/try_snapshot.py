"""Tries the way of the snapshot on the destination while the hosted API still serves: pods with etcd's image fetch a
small object of the bucket by URL, as etcd-init will fetch the snapshot after the point of no return.

The step puts the object into the bucket, creates a pod on each node that may run etcd, remembers the result, and
deletes pods and object. A node on which no pod runs does not stop the relocation: after a while the step continues with
a warning. A node whose pod runs and cannot fetch does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hcp_dr.engine.from_pod import Fetched, Place
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import (
    Action,
    Check,
    Create,
    Decision,
    Delete,
    DeleteObject,
    Do,
    Done,
    PutObject,
    Refuse,
    Step,
    Wait,
    WatchTarget,
)
from hcp_dr.errors import RESUME, NotOurs, Refused
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.backup_objects import hosted_cluster_to_restore
from hcp_dr.hypershift.etcd import rehearsal, restorable
from hcp_dr.hypershift.etcd.rehearsal import FetchPod, pod_name
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.images import prepull
from hcp_dr.hypershift.images.prepull import Wanted
from hcp_dr.hypershift.state import PULLED, SNAPSHOT_TRIED, TRYING_SNAPSHOT, SnapshotTried
from hcp_dr.kube.resources import POD, STATEFUL_SET
from hcp_dr.model import Case, Ports, Unknown
from hcp_dr.objects.reading import name_of, some
from hcp_dr.upstream import ETCD


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    namespace: str
    key: str  # of the object in the bucket
    exists: bool  # the object in the bucket
    pods: tuple[FetchPod, ...]
    now: float
    wanted: Wanted = field(default_factory=Wanted)  # etcd's image, and the nodes; read before the result is remembered
    security: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # etcd's, of pod and container
    etcd: Etcd = restorable.JUDGED  # with the tools in etcd's image on the destination
    since: float | None = None  # remembered: the creation time of the last pod, in seconds since the epoch
    tried: SnapshotTried | None = None  # remembered
    left_out: bool = False  # the engineer continues without images on the destination
    fenced: bool = False  # the hosted API is unavailable

    def pod_of(self, node: str) -> FetchPod | None:
        names = {pod_name(node, image) for image in self.wanted.images}
        return next((pod for pod in self.pods if pod.name in names), None)

    def fetched(self, node: str) -> Fetched | None:
        pod = self.pod_of(node)
        return pod.fetched if pod is not None else None

    @property
    def late(self) -> bool:
        return self.since is not None and self.now - self.since >= timeouts.SNAPSHOT_FETCHED.seconds


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    pulled, tried = memory.get(PULLED), memory.get(SNAPSHOT_TRIED)
    fenced, left_out = steps.BACKUP_FENCE in memory.acted, pulled is not None and pulled.left_out
    facts = look_back(ports, case, memory)
    facts = replace(facts, since=memory.get(TRYING_SNAPSHOT), tried=tried, left_out=left_out, fenced=fenced)
    if tried is not None or fenced or left_out:
        return facts
    members = ports.source.find(STATEFUL_SET, ETCD, case.control_plane_namespace)
    image = restorable.etcd_image(members)
    found = ports.destination.list(POD, case.control_plane_namespace).items
    pods = rehearsal.let_fetch(ports, case, found) if facts.exists else facts.pods
    return replace(
        facts,
        pods=pods,
        wanted=replace(prepull.find_images(ports, case), images=(image,) if image else ()),
        security=rehearsal.security_of(members),
        etcd=_read_tools(ports, case, memory, pods),
    )


def _read_tools(ports: Ports, case: Case, memory: RunState, pods: Iterable[FetchPod]) -> Etcd:
    """All pods have the same image."""
    running = next((pod for pod in pods if pod.fetched is not None and not pod.fetched.why), None)
    looked = restorable.remembered(memory)
    if running is None or looked is None:
        return restorable.JUDGED
    place = Place(case.control_plane_namespace, running.name, ETCD)
    return Etcd(hosted_cluster_to_restore(ports, case), restorable.probe_image(looked, ports.destination, place))


def look_back(ports: Ports, case: Case, memory: RunState) -> Facts:
    key = rehearsal.probe_key(case)
    return Facts(
        backup_id=case.backup_id,
        namespace=case.control_plane_namespace,
        key=key,
        exists=ports.bucket.head(key) is not None,
        pods=rehearsal.read_pods(ports.destination.list(POD, case.control_plane_namespace).items, case.backup_id),
        now=ports.now(),
    )


def plan(facts: Facts) -> Decision:
    if facts.tried is not None:
        return _clean_up(facts) or _describe_result(facts.tried)
    if facts.fenced or facts.left_out or not facts.wanted.images:
        return _skip(facts)
    if not facts.wanted.nodes:
        seen = "no node is Ready, schedulable, without disk pressure and eligible for the pods"
        return Wait("a node of the destination takes etcd's pod", seen, timeouts.SNAPSHOT_FETCHED.seconds)
    foreign = next((pod for node in facts.wanted.nodes if (pod := facts.pod_of(node)) and not pod.ours), None)
    if foreign is not None:
        what = f"Pod {facts.namespace}/{foreign.name} on the destination was not created by this relocation."
        left = "The pod was not touched; the hosted API still serves."
        return Refuse(NotOurs(what=what, left=left, todo=f"Delete the pod if possible, then run {RESUME}."))
    return _prepare(facts) or _judge(facts)


def _prepare(facts: Facts) -> Do | None:
    """An evicted pod is deleted, and created again."""
    nodes = [node for node in facts.wanted.nodes if facts.pod_of(node) is None]
    ended = [pod for node in facts.wanted.nodes if (pod := facts.pod_of(node)) is not None and pod.ended]
    actions: list[Action] = [] if facts.exists else [PutObject(facts.key, rehearsal.CONTENT)]
    if nodes:
        actions.append(TRYING_SNAPSHOT.remember(facts.now))
    actions += [
        Create(
            "destination",
            POD,
            rehearsal.body(node, facts.wanted, facts.security, facts.namespace, facts.backup_id),
        )
        for node in nodes
    ]
    actions += _deletions(facts, ended)
    return Do(tuple(actions)) if actions else None


def _judge(facts: Facts) -> Decision:
    results = {node: facts.fetched(node) for node in facts.wanted.nodes}
    failed = {node: result for node, result in results.items() if result is not None and result.why}
    absent = {node: _why(facts, node) for node, result in results.items() if result is None}
    final = next(((node, result.why) for node, result in failed.items() if result.final), None)
    if final is not None:
        return Refuse(_refuse(*final))
    refusal = facts.etcd.refusal
    if refusal is not None:
        return Refuse(refusal)
    fetched = tuple(node for node in results if node not in failed and node not in absent)
    if failed or (absent and not (facts.late and fetched)):
        seen = [f"{node}: {result.why}" for node, result in failed.items()]
        seen += [f"{node}: {why or 'the pod does not run yet'}" for node, why in absent.items()]
        # The remembered start time ends the wait for pods that do not run.
        return Wait(
            "a pod on each node that may run etcd has fetched an object of the bucket",
            some(seen, 3),
            (1 if failed else 2) * timeouts.SNAPSHOT_FETCHED.seconds,
            WatchTarget("destination", POD, facts.namespace),
            _REMEDY,
        )
    tried = SnapshotTried(fetched, absent)
    return Do((SNAPSHOT_TRIED.remember(tried), *_deletions(facts, facts.pods), DeleteObject(facts.key)))


_REMEDY = (
    "Etcd would not be restored there. Open the path from the destination's nodes to the bucket (proxy, network "
    "policy, name server, certificate authority, AWS_REGION, AWS_ENDPOINT_URL_S3, policy of the bucket), or cordon the "
    f"node; then run {RESUME}. `hcp-dr abort` puts the source back into service."
)


def _refuse(node: str, why: str) -> Refused:
    return Refused(
        what=f"A pod with etcd's image on node {node} of the destination cannot fetch an object of the bucket by a "
        f"presigned URL: {why}.",
        left="The fence was not begun: the hosted API still serves, and the source is paused.",
        todo=_REMEDY,
    )


def _why(facts: Facts, node: str) -> str:
    pod = facts.pod_of(node)
    return pod.says if pod is not None else ""


def _skip(facts: Facts) -> Done:
    if facts.fenced:
        return Done("the hosted API is unavailable already: etcd-init fetches the snapshot")
    if not facts.left_out:
        return Done("the source has no StatefulSet of etcd, and no image to try")
    seen = "no pod on the destination fetched from the bucket, because of --no-pull-images"
    why = "only etcd-init proves then that the nodes reach the bucket, after the point of no return"
    return Done("continued without trying", (Check("snapshot_way.left_out", "warning", seen, why),))


def _deletions(facts: Facts, pods: Iterable[FetchPod]) -> tuple[Delete, ...]:
    return tuple(
        Delete("destination", POD, pod.name, facts.namespace, pod.uid) for pod in pods if pod.ours and not pod.deleting
    )


def _clean_up(facts: Facts) -> Do | Wait | None:
    actions: tuple[Action, ...] = _deletions(facts, facts.pods)
    actions += (DeleteObject(facts.key),) if facts.exists else ()
    if actions:
        return Do(actions)
    remaining = [pod.name for pod in facts.pods if pod.ours]
    if not remaining:
        return None
    return Wait(
        "the pods that fetched from the bucket are gone",
        f"not deleted yet: {some(remaining)}",
        timeouts.PULL_PODS_GONE.seconds,
        WatchTarget("destination", POD, facts.namespace),
    )


def _describe_result(tried: SnapshotTried) -> Done:
    seen = f"pods with etcd's image on {len(tried.nodes)} nodes of the destination fetched from the bucket"
    if not tried.untried:
        return Done(seen, (Check("snapshot_way", "ok", seen),))
    untried = some([f"{node} ({why})" if why else node for node, why in tried.untried.items()], 3)
    why = "if etcd's pod is placed on such a node, only etcd-init proves that the node reaches the bucket"
    check = Check("snapshot_way", "warning", f"{seen}; no pod ran on {untried}", why, "cordon the node, or repair it")
    return Done(seen, (check,))


def afterwards(facts: Facts, decision: Decision) -> Facts:
    """Foresees that every pod runs and fetches."""
    if isinstance(decision, Wait):
        if facts.tried is not None:
            return replace(facts, pods=())
        if not facts.wanted.nodes:
            return replace(facts, wanted=replace(facts.wanted, nodes=(Unknown("a node that takes pods"),)))
        return replace(facts, pods=tuple(replace(pod, fetched=Fetched()) for pod in facts.pods))
    actions = decision.actions if isinstance(decision, Do) else ()
    tried = SNAPSHOT_TRIED.read({action.key: action.value for action in actions if isinstance(action, Remember)})
    deleted = {action.name for action in actions if isinstance(action, Delete)}
    created = [name_of(action.body) for action in actions if isinstance(action, Create)]
    pods = (
        *(pod for pod in facts.pods if pod.name not in deleted),
        *(FetchPod(name, Unknown(f"uid of Pod {name}"), ours=True) for name in created),
    )
    exists = not any(isinstance(action, DeleteObject) for action in actions) and (
        facts.exists or any(isinstance(action, PutObject) for action in actions)
    )
    nodes = tuple(node for node in facts.wanted.nodes if pod_name(node, *facts.wanted.images) not in deleted)
    wanted = replace(facts.wanted, nodes=nodes)
    return replace(facts, wanted=wanted, pods=pods, exists=exists, tried=tried or facts.tried)


def revert(facts: Facts) -> Decision:
    return _clean_up(facts) or Done("all pods for fetching from the bucket are gone, with their object")


STEP = Step(
    name="restore.try_snapshot",
    documented="-",
    observe=observe,
    plan=plan,
    waits=(timeouts.SNAPSHOT_FETCHED, timeouts.PULL_PODS_GONE),
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
)
