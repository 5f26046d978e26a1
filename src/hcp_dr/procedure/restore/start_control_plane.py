"""Un-pauses the HostedCluster: the point of no return. From here the destination's API may accept writes, so the source
must never write again. Right before, the step checks the fence once more, and checks for objects in deletion, because
the starting controllers would finish such a deletion (rule A2).

etcd rolls a second time after the restore, because etcd-init is removed from the template (rule C6): the first
readiness is not the end, and with several members every member has to become ready again.

While the control plane starts, names in handover are assigned to the destination's external-dns, as soon as a name is
published on the destination.

The restore URL is immutable, so the step checks the expiry before the HostedCluster is un-paused, and until etcd has
fetched the snapshot.

An engineer who follows HyperShift's own restore procedure may have set HyperShift's restore annotation on this
HostedCluster. The same patch removes the annotation, because the operators act on the annotation from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Do, Done, Invalidate, Patch, Refuse, Step, Wait, WatchTarget
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import RESUME, FenceBroken, MachineUnsafe, NotOurs, SnapshotDoubtful
from hcp_dr.hypershift import gate, steps, timeouts
from hcp_dr.hypershift.backup_objects import Lacking, is_ours, list_lacking
from hcp_dr.hypershift.dns.assign import Giving, read_assignment
from hcp_dr.hypershift.etcd import restorable, restore_url
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.etcd.restore_url import RestoreUrl
from hcp_dr.hypershift.fence.state import Fence, read_fence
from hcp_dr.hypershift.inventory import being_deleted
from hcp_dr.hypershift.operator_claim import read_claim, stopped_on
from hcp_dr.hypershift.operator_lease import sign_of_operator
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.state import FENCE
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import DEPLOYMENT, HOSTED_CLUSTER, POD, STATEFUL_SET
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import Manifest, read_manifest
from hcp_dr.objects.reading import annotations_of, dig, is_deleting
from hcp_dr.upstream import ETCD, ETCD_INIT, KUBE_APISERVER, RESTORED_FROM_BACKUP


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    namespace: str
    control_plane_namespace: str
    name: str
    fence: (
        Fence | None
    )  # read until the HostedCluster is un-paused, unless the source is lost; afterwards the watch reads the fence
    hosted_cluster: Object | None  # on the destination
    etcd: Object | None
    api_server: Object | None
    deleting: tuple[str, ...]  # machine objects and NodePools of the destination in deletion
    url: RestoreUrl | None  # etcd's restore URL; tested while the HostedCluster is paused
    size: int  # of the snapshot, in bytes
    names: Giving | None = None  # names in handover to the destination, during the start
    judged: Etcd = restorable.NOT_LOOKED  # whether etcd can be restored; read while the HostedCluster is paused
    awaited: Wait | None = None  # while other relocations have the destination's HyperShift operator stopped
    lacking: tuple[Lacking, ...] = ()  # of the backup, on the destination; read while the HostedCluster is paused
    void: bool = False  # the backup's snapshot is not of the present fence


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    destination, namespace = ports.destination, case.control_plane_namespace
    deleting = being_deleted(destination, case)
    hosted_cluster = destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    paused = _is_paused(hosted_cluster)
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
        deleting=deleting,
        url=_read_url(ports, hosted_cluster),
        size=manifest.snapshot.size if manifest and manifest.snapshot else 0,
        names=None if paused else read_assignment(ports, case, memory),
        judged=restorable.known(hosted_cluster, ports.source, case, memory, lost=is_lost(memory))
        if hosted_cluster and paused
        else restorable.NOT_LOOKED,
        awaited=read_claim(ports, case, "destination").awaited(),
        lacking=list_lacking(ports, case) if hosted_cluster and paused else (),
        void=paused and not is_lost(memory) and _is_void(manifest, memory),
    )


def _is_void(manifest: Manifest | None, memory: RunState) -> bool:
    snapshot = manifest.snapshot if manifest else None
    return snapshot is None or snapshot.fence != (fence.id if (fence := memory.get(FENCE)) else None)


def _read_url(ports: Ports, hosted_cluster: Object | None) -> RestoreUrl | None:
    urls = dig(hosted_cluster, "spec", "etcd", "managed", "storage", "restoreSnapshotURL") or ()
    url = next(iter(urls), None)
    if url is None:
        return None
    return restore_url.tried(ports, url, fresh=False) if _is_paused(hosted_cluster) else restore_url.read(ports, url)


def _is_paused(hosted_cluster: Object | None) -> bool:
    return dig(hosted_cluster, "spec", "pausedUntil") is not None


def is_rolled_out(workload: Object | None) -> bool:
    """Whether all replicas have the newest template and are ready."""
    if workload is None:
        return False
    status, wanted = workload.get("status") or {}, dig(workload, "spec", "replicas")
    return (
        bool(wanted)
        and int(status.get("observedGeneration", 0)) >= int(workload["metadata"].get("generation", 0))
        and status.get("updatedReplicas", 0) == wanted
        and status.get("readyReplicas", 0) == wanted
    )


def _is_restoring(etcd: Object | None) -> bool:
    """Whether the template still has etcd-init, which is removed after the restore; other init containers stay."""
    containers = dig(etcd, "spec", "template", "spec", "initContainers") or ()
    return any(container.get("name") == ETCD_INIT for container in containers)


def plan(facts: Facts) -> Decision:
    hosted_cluster = facts.hosted_cluster
    if hosted_cluster is None or is_deleting(hosted_cluster) or not is_ours(hosted_cluster, facts.backup_id):
        return Refuse(
            NotOurs(what="The destination's HostedCluster is gone, in deletion, or was not created by this relocation.")
        )
    breach = facts.fence.breach() if facts.fence else None
    if breach:
        return Refuse(
            FenceBroken(
                what=f"The fence on the source is broken ({breach}): two control planes would accept writes.",
                todo=f"Stop the client that lifted the fence, then run {RESUME} to fence the source again and to take "
                "a new snapshot. After a restore in a phase of its own, run `hcp-dr abort` and start over with a new "
                "BACKUP_DIR.",
            )
        )
    if facts.void:
        return Refuse(
            SnapshotDoubtful(
                what="The backup's snapshot is void: the snapshot does not belong to the present fence on the source.",
                left=f"The HostedCluster stays paused on the destination. {_describe_fence(facts)}".rstrip(),
                todo="Run `hcp-dr abort`, and start over with a new BACKUP_DIR.",
            )
        )
    paused = _is_paused(hosted_cluster)
    refusal = facts.judged.refusal if paused else None
    if refusal is not None:
        return Refuse(refusal)
    if paused and facts.deleting:
        return Refuse(
            MachineUnsafe(
                what=f"Being deleted on the destination: {', '.join(facts.deleting)}. The starting controllers would "
                "finish the deletion and terminate instances.",
                left=f"The HostedCluster stays paused on the destination. {_describe_fence(facts)}".rstrip(),
                todo="Find out who deletes these objects. Remove their finalizers, so that the objects go without a "
                f"controller, then run {RESUME}.",
            )
        )
    url_error = _check_url(facts, paused=paused)
    if url_error is not None:
        return Refuse(url_error)
    not_ready = _prepare_destination(facts) if paused else None
    if not_ready is not None:
        return not_ready
    unmarked: dict[str, dict[str, Any]] = {"metadata": {"annotations": {RESTORED_FROM_BACKUP: None}}}
    if paused:
        if version := dig(hosted_cluster, "metadata", "resourceVersion"):  # another client may change it
            unmarked["metadata"]["resourceVersion"] = version
        patch = {**unmarked, "spec": {"pausedUntil": None}}
        return Do((Patch("destination", HOSTED_CLUSTER, facts.name, facts.namespace, patch),))
    if RESTORED_FROM_BACKUP in annotations_of(hosted_cluster):
        return Do((Patch("destination", HOSTED_CLUSTER, facts.name, facts.namespace, unmarked),))
    return _await_control_plane(facts)


def _prepare_destination(facts: Facts) -> Decision | None:
    """What other clients may have taken away before the un-pause."""
    if facts.lacking:
        again = tuple(dict.fromkeys(item.step for item in facts.lacking))
        return Do((Invalidate(again, (), gate.incomplete(facts.lacking)),))
    return facts.awaited


def _await_control_plane(facts: Facts) -> Decision:
    """After the un-pause: the names, etcd with its second roll, the API server."""
    assignment = facts.names.next_round() if facts.names else None
    if assignment is not None:
        return assignment
    waiting = [f"{name} is not published on the destination" for name in facts.names.waiting] if facts.names else []
    if not is_rolled_out(facts.etcd):
        waiting.append("etcd is not ready")
    elif _is_restoring(facts.etcd):
        waiting.append("etcd has not rolled a second time yet")
    if not is_rolled_out(facts.api_server):
        waiting.append("kube-apiserver is not ready")
    if waiting:
        wake = WatchTarget("destination", POD, facts.control_plane_namespace)
        return Wait(
            "the control plane serves on the destination",
            ", ".join(waiting),
            timeouts.CONTROL_PLANE_SERVES.seconds,
            wake,
            _advise(facts) if facts.etcd is None or _is_restoring(facts.etcd) else None,
        )
    return Done("etcd and kube-apiserver serve on the destination")


def _advise(facts: Facts) -> str:
    """Only etcd's own pods can show whether the destination's nodes reach the bucket."""
    return (
        f"Read the log of container {ETCD_INIT} in pod {ETCD}-0 of {facts.control_plane_namespace} on the destination: "
        "it fetches the snapshot by the restore URL, and shows the answer of a server that is not the bucket. Open the "
        "path from the destination's nodes to the bucket (proxy, policy, certificates): etcd-init tries again by "
        f"itself. Then run {RESUME}."
    )


def _describe_fence(facts: Facts) -> str:
    """Empty for a lost source, whose state is unknown."""
    return "The control plane stays fenced on the source." if facts.fence else ""


def _check_url(facts: Facts, *, paused: bool) -> SnapshotDoubtful | None:
    url, name = facts.url, f"HostedCluster {facts.namespace}/{facts.name}"
    fault = url.fault(facts.size) if url and paused else None
    if fault:
        return SnapshotDoubtful(
            what=f"The restore URL of {name} on the destination is unusable and immutable: {fault}.",
            left=Untouched("The HostedCluster was never un-paused there.", besides=_describe_fence(facts)),
            todo="Remove the HostedCluster from the destination while the destination's operator is stopped: a running "
            "operator deletes the OIDC documents of the live cluster with the HostedCluster. Steps: scale Deployment "
            "hypershift/operator on the destination to 0 and wait until its pods are gone; delete "
            f"{name} and its NodePools on the destination with --wait=false, and remove all their finalizers; scale "
            f"the operator back. {RESUME} then creates the objects again with another URL.",
        )
    fetched = int(dig(facts.etcd, "status", "readyReplicas") or 0) > 0 or (
        facts.etcd is not None and not _is_restoring(facts.etcd)
    )
    if url is None or not url.ended or paused or fetched:
        return None
    return SnapshotDoubtful(
        what=f"etcd of {name} on the destination cannot be restored: the restore URL expired before the restore.",
        left=f"The HostedCluster is un-paused on the destination with an empty etcd. {_describe_fence(facts)}".rstrip(),
        todo="Never delete the HostedCluster while its controllers run: the deletion can terminate the running "
        "instances. Read the log of etcd-init first: if the log says that the volume is not empty, "
        f"{RESUME} continues to wait. Otherwise scale every Deployment of {facts.control_plane_namespace} and "
        "Deployment hypershift/operator on the destination to zero pods; then remove the finalizers of "
        f"{name} and of all its objects, and delete them; then run {RESUME}.",
    )


def foresee(facts: Facts) -> Facts:
    hosted_cluster = facts.hosted_cluster or _created(facts, {"pausedUntil": "true"})
    fence = facts.fence and facts.fence.made()
    judged = facts.judged if facts.hosted_cluster else restorable.JUDGED
    return replace(
        facts, fence=fence, hosted_cluster=hosted_cluster, url=None, void=False, judged=judged, awaited=None, lacking=()
    )


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
    waits=(timeouts.OPERATOR_FREE, timeouts.CONTROL_PLANE_SERVES),
    announced=True,
    gate=gate.look_through,
    held_up=stopped_on("destination"),
    sign=sign_of_operator("destination"),
    foresee=foresee,
    afterwards=afterwards,
)
