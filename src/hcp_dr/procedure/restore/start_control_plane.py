"""Un-pauses the HostedCluster: the point of no return. From here the destination's API may accept writes, so that the
source must never write again. The fence is looked at once more, right before, and so is whether anything is being
deleted, which the controllers that start would finish (rule A2).

etcd rolls a second time when the restore is done, because etcd-init leaves its template (rule C6): the first readiness
is not the end, and with several members each has to come back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Decision, Do, Done, Patch, Refuse, Step, Topic, Wait
from hcp_dr.errors import FenceBroken, MachineUnsafe, NotOurs, SnapshotDoubtful
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import DEPLOYMENT, HOSTED_CLUSTER, NODE_POOL, POD, STATEFUL_SET
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import read_manifest
from hcp_dr.objects.reading import dig, is_deleting, name_of
from hcp_dr.objects.select import node_pools_of
from hcp_dr.procedure.carried import MACHINERY
from hcp_dr.procedure.fencing import Fence, look_at
from hcp_dr.procedure.restoring import is_ours

ETCD_INIT = "etcd-init"
LIMIT = 1200.0
"""Seconds for the chain operator, control-plane-operator, etcd restore, kube-apiserver (rule D)."""


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    namespace: str
    control_plane_namespace: str
    name: str
    fence: Fence | None  # looked at until the HostedCluster is un-paused; afterwards it is the watch's
    hosted_cluster: Object | None  # on the destination
    etcd: Object | None
    api_server: Object | None
    deleting: tuple[str, ...]  # machine objects and NodePools of the destination on their way out
    void: bool = False  # the backup's snapshot is not of the fence that stands


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    destination, namespace = ports.destination, case.control_plane_namespace
    pools = node_pools_of({"metadata": {"name": case.name}}, destination.list(NODE_POOL, case.namespace).items)
    hosted_cluster = destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    paused = dig(hosted_cluster, "spec", "pausedUntil") is not None
    machinery = [item for resource in MACHINERY for item in destination.list(resource, namespace).items]
    return Facts(
        backup_id=case.backup_id,
        namespace=case.namespace,
        control_plane_namespace=namespace,
        name=case.name,
        fence=look_at(ports.source, case, memory) if paused else None,
        hosted_cluster=hosted_cluster,
        etcd=destination.find(STATEFUL_SET, "etcd", namespace),
        api_server=destination.find(DEPLOYMENT, "kube-apiserver", namespace),
        deleting=tuple(f"{item['kind']} {name_of(item)}" for item in (*pools, *machinery) if is_deleting(item)),
        void=paused and _void(ports, memory),
    )


def _void(ports: Ports, memory: Memory) -> bool:
    manifest = read_manifest(ports.archive)
    snapshot = manifest.snapshot if manifest else None
    return snapshot is None or snapshot.fence != (memory.mapping("fence") or {}).get("id")


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
                todo="Stop whoever lifted it, then run `hcp-dr resume`: the source is fenced anew, and a new snapshot "
                "is taken. After `hcp-dr restore` alone, start over with a new BACKUP_DIR.",
            )
        )
    if facts.void:
        return Refuse(
            SnapshotDoubtful(
                what="The backup's snapshot is not of the fence that stands on the source: it is void.",
                left="The HostedCluster stays paused there; the control plane stays fenced on the source.",
                todo="Start over with `hcp-dr backup` or `hcp-dr relocate` and a new BACKUP_DIR.",
            )
        )
    paused = dig(hosted_cluster, "spec", "pausedUntil") is not None
    if paused and facts.deleting:
        return Refuse(
            MachineUnsafe(
                what=f"Being deleted on the destination: {', '.join(facts.deleting)}. Controllers that start now would "
                "finish that and terminate instances.",
                left="The HostedCluster stays paused there; the control plane stays fenced on the source.",
                todo="Find out who deletes it. Let it go without its finalizers, then run `hcp-dr resume`.",
            )
        )
    if paused:
        patch = {"spec": {"pausedUntil": None}}
        return Do((Patch("destination", HOSTED_CLUSTER, facts.name, facts.namespace, patch),))
    waiting = []
    if not rolled_out(facts.etcd):
        waiting.append("etcd is not ready")
    elif _restores_still(facts.etcd):
        waiting.append("etcd has its second roll before it")
    if not rolled_out(facts.api_server):
        waiting.append("kube-apiserver is not ready")
    if waiting:
        wake = Topic("destination", POD, facts.control_plane_namespace)
        return Wait("the control plane serves on the destination", ", ".join(waiting), LIMIT, wake)
    return Done("etcd and kube-apiserver serve on the destination")


def foresee(facts: Facts) -> Facts:
    hosted_cluster = facts.hosted_cluster or _created(facts, {"pausedUntil": "true"})
    return replace(facts, fence=facts.fence and facts.fence.made(), hosted_cluster=hosted_cluster, void=False)


def _created(facts: Facts, spec: dict[str, str]) -> Object:
    annotations = {"hcp-dr.openshift.io/relocation": facts.backup_id}
    return {"kind": "HostedCluster", "metadata": {"name": facts.name, "annotations": annotations}, "spec": spec}


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if isinstance(decision, Do):
        return replace(facts, hosted_cluster=_created(facts, {}))
    status = {"updatedReplicas": 1, "readyReplicas": 1}
    serving = {"metadata": {}, "spec": {"replicas": 1}, "status": status}
    return replace(facts, etcd=serving, api_server=serving)


STEP = Step(
    name="restore.start_control_plane",
    documented="8.6.3-6",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
