"""A source that is lost: what the journal says of it, what stands in its place, what to tell.

No step of `restore --source-lost` asks the source. It cannot be fenced from here, so that whoever has it must.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NoReturn, cast

from hcp_dr.engine.journal import JournalState, RunState
from hcp_dr.engine.step import Check
from hcp_dr.errors import HcpDrError, NoBackup, Refused
from hcp_dr.hypershift.deletion.protocol import CAN_TERMINATE_INSTANCES
from hcp_dr.hypershift.etcd import restorable
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.fence.state import IGNORE_PAUSE, RECONCILERS, WRITERS
from hcp_dr.hypershift.state import BREACHES, FENCE, IDENTITY, NONCE, SOURCE_LOST, SourceLost
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import Archive, Manifest, check_manifest, read_manifest, read_objects
from hcp_dr.objects.moments import utc


def is_lost(memory: RunState) -> bool:
    return memory.has(SOURCE_LOST)


class LostSource:
    """In the place of the source's port: whoever asks it is refused."""

    name = "source"
    server = "(lost)"
    unverified = ""  # it is not asked

    def __getattr__(self, verb: str) -> NoReturn:
        if verb.startswith("_"):
            raise AttributeError(verb)
        raise Refused(
            what=f"The source is lost, and something would ask it ({verb}).", todo="This is a fault of hcp-dr."
        )


def lost_source() -> Kubernetes:
    return cast("Kubernetes", LostSource())


def moment_of(manifest: Manifest, memory: RunState) -> float:
    """Seconds since the epoch after which what was written is not in the backup's snapshot. A fence that was lifted and
    made again is not the snapshot's: the source took writes in between."""
    snapshot = manifest.snapshot
    if snapshot is not None and snapshot.at is not None:
        return snapshot.at
    fence = memory.get(FENCE)
    fences = [(fence.id, fence.at)] if fence else []
    fences += [(str(breach.fence), breach.since) for breach in memory.get(BREACHES) or ()]
    own = [at for name, at in fences if at is not None and snapshot is not None and name == snapshot.fence]
    return min(own, default=manifest.made_at)


def check_verified(archive: Archive, story: JournalState, ports: Ports, case: Case) -> Manifest:
    """The manifest of a backup that is whole here, whose snapshot the bucket has, and whose etcd can be restored from
    it. Raises NoBackup, ArchiveError, AwsError, NotRestorable."""
    manifest = read_manifest(archive)
    snapshot = manifest.snapshot if manifest else None
    if manifest is None or snapshot is None:
        raise _no(case, f"{archive.folder} has no snapshot in its manifest")
    check_manifest(manifest, key_prefix=case.key_prefix, bucket=case.bucket, folder=archive.folder)
    missing = [key.name for key in (NONCE, IDENTITY) if not story.memory.has(key)]
    if missing:
        raise _no(case, f"the journal of {archive.folder} has no {', '.join(missing)} by which it would be proven")
    read_objects(archive, manifest.entries)
    stored = ports.bucket.head(snapshot.key)
    there = (stored.size, stored.metadata.get("sha256")) if stored else None
    if there != (snapshot.size, snapshot.sha256):
        what = "is not there" if stored is None else "is another than the manifest names, by size or sha256"
        raise _no(case, f"{snapshot.key} in bucket {ports.bucket.name} {what}")
    refusal = Etcd(hosted_cluster_of(archive, manifest), restorable.remembered(story.memory)).refusal
    if refusal is not None:
        raise refusal
    return manifest


def _no(case: Case, reason: str) -> HcpDrError:
    return NoBackup(object=f"{case.namespace}/{case.name}", folder="", reason=reason)


def loss(at: float, now: float) -> str:
    """What is lost, in words."""
    minutes = max(1, math.ceil((now - at) / 60))
    span = f"{minutes} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours ({minutes} minutes)"
    return f"the snapshot is of {utc(at)}: writes of the last {span} are lost"


def hosted_cluster_of(archive: Archive, manifest: Manifest) -> Object:
    """Of the backup."""
    objects: Iterable[Object] = read_objects(archive, manifest.of_kind(HOSTED_CLUSTER.kind)).values()
    return next(iter(objects))


def to_fence_by_hand(case: Case, folder: str) -> str:
    stopped = ", ".join(dict.fromkeys((*RECONCILERS, *IGNORE_PAUSE, *WRITERS, *CAN_TERMINATE_INSTANCES)))
    return (
        f"keep the nodes of {case.source} off, or cut them from the network, until somebody can do this the moment its "
        f'API answers: set spec.pausedUntil to "true" in HostedCluster {case.namespace}/{case.name}, in its NodePools '
        f"and, since the HyperShift operator may be down, in HostedControlPlane "
        f"{case.control_plane_namespace}/{case.name}; scale, as far as they are there, Deployments {stopped} of "
        f"{case.control_plane_namespace} to zero, in this order, and see their pods gone; then "
        f"`hcp-dr teardown --backup {folder}`"
    )


def checks(case: Case, lost: SourceLost, folder: str) -> tuple[Check, ...]:
    """What to know of it before and after. `folder` is the backup's."""
    return (
        Check(
            "data_loss",
            "warning",
            loss(lost.at, lost.began),
            "they were acknowledged, and no step can bring them back",
            "tell those who use the hosted cluster from which moment on to look",
        ),
        Check(
            "source_fence",
            "warning",
            f"{case.source} did not answer, so that nothing proves that it is fenced: if it comes back, its control "
            "plane accepts writes too, and its controllers may replace machines",
            "the instances' termination protection stands against that, and stays on",
            to_fence_by_hand(case, folder),
        ),
        _revisions(),
    )


def _revisions() -> Check:
    """Watches go on from the revision that they saw last (kubernetes issue 118501)."""
    return Check(
        "etcd_revision",
        "warning",
        "etcd goes back in revision, unless the release's etcd-init raises it: what runs in the hosted cluster may "
        "remember objects of a later revision, and miss changes until it starts anew",
        "caches of controllers go on from a revision that is no longer there, and hear of nothing for long",
        "when all is Ready, restart in the hosted cluster what watches its API: kubelet on each node (systemctl "
        "restart kubelet; containers go on), then the pods of kube-system, of all openshift-* namespaces, and of "
        "operators and controllers of your own. The control plane's own pods are new",
    )
