"""Un-pauses the HostedCluster: the point of no return. From here the destination's API may accept writes, so that the
source must never write again. The fence is looked at once more, right before, and so is whether anything is being
deleted, which the controllers that start would finish (rule A2).

etcd rolls a second time when the restore is done, because etcd-init leaves its template (rule C6): the first readiness
is not the end, and with several members each has to come back.

Names that are handed over are given to the destination's external-dns meanwhile, each as soon as it is published there.

The restore URL cannot be replaced any more, so that its life is looked at before the HostedCluster is un-paused, and
while etcd has not fetched by it.

Whoever goes by HyperShift's own way of restoring may have set its mark of a restore on this HostedCluster meanwhile. It
goes in the same patch, because the operators act upon it from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Do, Done, Patch, Refuse, Step, Wait, WatchTarget
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import RESUME, FenceBroken, MachineUnsafe, NotOurs, SnapshotDoubtful
from hcp_dr.hypershift import gate, steps, timeouts
from hcp_dr.hypershift.backup_objects import is_ours
from hcp_dr.hypershift.dns.assign import Giving, read_assignment
from hcp_dr.hypershift.etcd import restorable, restore_url
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.etcd.restore_url import RestoreUrl
from hcp_dr.hypershift.fence.state import Fence, read_fence
from hcp_dr.hypershift.inventory import MACHINERY
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.state import FENCE
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import DEPLOYMENT, HOSTED_CLUSTER, NODE_POOL, POD, STATEFUL_SET
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import Manifest, read_manifest
from hcp_dr.objects.reading import annotations_of, dig, is_deleting, name_of
from hcp_dr.objects.select import node_pools_of
from hcp_dr.upstream import ETCD, ETCD_INIT, KUBE_APISERVER, RESTORED_FROM_BACKUP


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    namespace: str
    control_plane_namespace: str
    name: str
    fence: (
        Fence | None
    )  # looked at until the HostedCluster is un-paused, unless the source is lost; then it is the watch's
    hosted_cluster: Object | None  # on the destination
    etcd: Object | None
    api_server: Object | None
    deleting: tuple[str, ...]  # machine objects and NodePools of the destination on their way out
    url: RestoreUrl | None  # that etcd restores from; tried while the HostedCluster is paused
    size: int  # of the snapshot, in bytes
    names: Giving | None = None  # that are on their way here, while it starts
    judged: Etcd = restorable.NOT_LOOKED  # whether etcd can be restored; asked while the HostedCluster is paused
    void: bool = False  # the backup's snapshot is not of the fence that stands


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    destination, namespace = ports.destination, case.control_plane_namespace
    pools = node_pools_of({"metadata": {"name": case.name}}, destination.list(NODE_POOL, case.namespace).items)
    hosted_cluster = destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    paused = dig(hosted_cluster, "spec", "pausedUntil") is not None
    machinery = [item for resource in MACHINERY for item in destination.list(resource, namespace).items]
    hosted_cluster = destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    manifest = read_manifest(ports.archive)
    return Facts(
        backup_id=case.backup_id,
        namespace=case.namespace,
        control_plane_namespace=namespace,
        name=case.name,
        fence=read_fence(ports.source, case, memory) if paused and not is_lost(memory) else None,
        hosted_cluster=hosted_cluster,
        etcd=destination.find(STATEFUL_SET, ETCD, namespace),
        api_server=destination.find(DEPLOYMENT, KUBE_APISERVER, namespace),
        deleting=tuple(f"{item['kind']} {name_of(item)}" for item in (*pools, *machinery) if is_deleting(item)),
        url=_look_at_url(ports, hosted_cluster),
        size=manifest.snapshot.size if manifest and manifest.snapshot else 0,
        names=None if paused else read_assignment(ports, case, memory),
        judged=restorable.known(hosted_cluster, ports.source, case, memory, lost=is_lost(memory))
        if hosted_cluster and paused
        else restorable.NOT_LOOKED,
        void=paused and not is_lost(memory) and _void(manifest, memory),
    )


def _void(manifest: Manifest | None, memory: RunState) -> bool:
    snapshot = manifest.snapshot if manifest else None
    return snapshot is None or snapshot.fence != (fence.id if (fence := memory.get(FENCE)) else None)


def _look_at_url(ports: Ports, hosted_cluster: Object | None) -> RestoreUrl | None:
    found = dig(hosted_cluster, "spec", "etcd", "managed", "storage", "restoreSnapshotURL") or ()
    url = next(iter(found), None)
    if url is None:
        return None
    return restore_url.tried(ports, url, fresh=False) if _is_paused(hosted_cluster) else restore_url.read(ports, url)


def _is_paused(hosted_cluster: Object | None) -> bool:
    return dig(hosted_cluster, "spec", "pausedUntil") is not None


def rolled_out(workload: Object | None) -> bool:
    """All replicas are of the newest template and ready."""
    if workload is None:
        return False
    status, wanted = workload.get("status") or {}, dig(workload, "spec", "replicas")
    return (
        bool(wanted)
        and int(status.get("observedGeneration", 0)) >= int(workload["metadata"].get("generation", 0))
        and status.get("updatedReplicas", 0) == wanted
        and status.get("readyReplicas", 0) == wanted
    )


def _restores_still(etcd: Object | None) -> bool:
    """Does the template still hold etcd-init? It leaves when the restore is done; others stay."""
    containers = dig(etcd, "spec", "template", "spec", "initContainers") or ()
    return any(container.get("name") == ETCD_INIT for container in containers)


def plan(facts: Facts) -> Decision:
    hosted_cluster = facts.hosted_cluster
    if hosted_cluster is None or is_deleting(hosted_cluster) or not is_ours(hosted_cluster, facts.backup_id):
        return Refuse(NotOurs(what="The destination's HostedCluster is gone, being deleted, or not this relocation's."))
    breach = facts.fence.breach() if facts.fence else None
    if breach:
        return Refuse(
            FenceBroken(
                what=f"The fence on the source does not hold ({breach}): two control planes would accept writes.",
                todo=f"Stop whoever lifted it, then run {RESUME}: the source is fenced anew, and a new snapshot "
                "is taken. After `hcp-dr restore` alone, start over with a new BACKUP_DIR.",
            )
        )
    if facts.void:
        return Refuse(
            SnapshotDoubtful(
                what="The backup's snapshot is not of the fence that stands on the source: it is void.",
                left=f"The HostedCluster stays paused there. {_fenced(facts)}".rstrip(),
                todo="Start over with `hcp-dr backup` or `hcp-dr relocate` and a new BACKUP_DIR.",
            )
        )
    paused = _is_paused(hosted_cluster)
    cannot = facts.judged.refusal if paused else None
    if cannot is not None:
        return Refuse(cannot)
    if paused and facts.deleting:
        return Refuse(
            MachineUnsafe(
                what=f"Being deleted on the destination: {', '.join(facts.deleting)}. Controllers that start now would "
                "finish that and terminate instances.",
                left=f"The HostedCluster stays paused there. {_fenced(facts)}".rstrip(),
                todo=f"Find out who deletes it. Let it go without its finalizers, then run {RESUME}.",
            )
        )
    late = _url_too_late(facts, paused=paused)
    if late is not None:
        return Refuse(late)
    unmarked: dict[str, dict[str, Any]] = {"metadata": {"annotations": {RESTORED_FROM_BACKUP: None}}}
    if paused:
        if version := dig(hosted_cluster, "metadata", "resourceVersion"):  # another client's change is looked at first
            unmarked["metadata"]["resourceVersion"] = version
        patch = {**unmarked, "spec": {"pausedUntil": None}}
        return Do((Patch("destination", HOSTED_CLUSTER, facts.name, facts.namespace, patch),))
    if RESTORED_FROM_BACKUP in annotations_of(hosted_cluster):
        return Do((Patch("destination", HOSTED_CLUSTER, facts.name, facts.namespace, unmarked),))
    return _until_it_serves(facts)


def _until_it_serves(facts: Facts) -> Decision:
    """Un-paused: the names, etcd with its second roll, the API server."""
    names_given = facts.names.next_round() if facts.names else None
    if names_given is not None:
        return names_given
    waiting = [f"{name} is not published there" for name in facts.names.waiting] if facts.names else []
    if not rolled_out(facts.etcd):
        waiting.append("etcd is not ready")
    elif _restores_still(facts.etcd):
        waiting.append("etcd has its second roll before it")
    if not rolled_out(facts.api_server):
        waiting.append("kube-apiserver is not ready")
    if waiting:
        wake = WatchTarget("destination", POD, facts.control_plane_namespace)
        return Wait(
            "the control plane serves on the destination",
            ", ".join(waiting),
            timeouts.CONTROL_PLANE_SERVES.seconds,
            wake,
        )
    return Done("etcd and kube-apiserver serve on the destination")


def _fenced(facts: Facts) -> str:
    """Nobody knows that of a source that is lost."""
    return "The control plane stays fenced on the source." if facts.fence else ""


def _url_too_late(facts: Facts, *, paused: bool) -> SnapshotDoubtful | None:
    url, name = facts.url, f"HostedCluster {facts.namespace}/{facts.name}"
    fault = url.fault(facts.size) if url and paused else None
    if fault:
        return SnapshotDoubtful(
            what=f"The restore URL of {name} on the destination is of no use: {fault}. It is immutable.",
            left=Untouched("The HostedCluster was never un-paused there.", besides=_fenced(facts)),
            todo="Remove it from the destination while its operator is stopped: deleted by a running operator, it "
            "takes the OIDC documents of the living cluster with it. So: scale Deployment hypershift/operator there to "
            f"0 and see its pods gone; delete {name} and its NodePools there without waiting, and take all their "
            f"finalizers off; scale the operator back. {RESUME} then makes them anew with another URL.",
        )
    fetched = int(dig(facts.etcd, "status", "readyReplicas") or 0) > 0 or (
        facts.etcd is not None and not _restores_still(facts.etcd)
    )
    if url is None or not url.ended or paused or fetched:
        return None
    return SnapshotDoubtful(
        what=f"etcd of {name} on the destination has not restored yet, and its restore URL has expired: it never will.",
        left=f"It is un-paused there, and its etcd is empty. {_fenced(facts)}".rstrip(),
        todo="Never delete it while its controllers run: that can terminate the running instances. Look at the log of "
        f"etcd-init first: where it says that the volume is not empty, {RESUME} waits on. Else every Deployment "
        f"of {facts.control_plane_namespace} and Deployment hypershift/operator there must be at zero pods before the "
        f"finalizers of {name} and all that is its own are taken off and they are deleted; then run {RESUME}.",
    )


def foresee(facts: Facts) -> Facts:
    hosted_cluster = facts.hosted_cluster or _created(facts, {"pausedUntil": "true"})
    fence = facts.fence and facts.fence.made()
    judged = facts.judged if facts.hosted_cluster else restorable.JUDGED
    return replace(facts, fence=fence, hosted_cluster=hosted_cluster, url=None, void=False, judged=judged)


def _created(facts: Facts, spec: dict[str, str]) -> Object:
    annotations = {"hcp-dr.openshift.io/relocation": facts.backup_id}
    return {"kind": "HostedCluster", "metadata": {"name": facts.name, "annotations": annotations}, "spec": spec}


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if isinstance(decision, Do):
        return replace(facts, hosted_cluster=_created(facts, {}), names=None)
    status = {"updatedReplicas": 1, "readyReplicas": 1}
    serving = {"metadata": {}, "spec": {"replicas": 1}, "status": status}
    return replace(facts, etcd=serving, api_server=serving, names=None)


STEP = Step(
    name=steps.RESTORE_START_CONTROL_PLANE,
    documented="8.6.3-6",
    observe=observe,
    plan=plan,
    waits=(timeouts.CONTROL_PLANE_SERVES,),
    announced=True,
    gate=gate.look_through,
    foresee=foresee,
    afterwards=afterwards,
)
