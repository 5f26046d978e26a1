"""A lost source: its record in the journal, the replacement of its port, and its warnings.

No step of `restore --source-lost` makes a request to the source. hcp-dr cannot fence it; an engineer must.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from typing import NoReturn, cast

from hcp_dr.aws.port import Bucket
from hcp_dr.engine.journal import JournalState, RunState
from hcp_dr.engine.step import Check
from hcp_dr.errors import HcpDrError, NoBackup, Refused
from hcp_dr.hypershift.deletion.protocol import CAN_TERMINATE_INSTANCES
from hcp_dr.hypershift.etcd import restorable
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.etcd.stored import find_snapshot
from hcp_dr.hypershift.fence.state import IGNORE_PAUSE, RECONCILERS, WRITERS
from hcp_dr.hypershift.state import BREACHES, FENCE, IDENTITY, NONCE, SOURCE_LOST, SourceLost
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import Case
from hcp_dr.objects.archive import Archive, Manifest, check_manifest, read_manifest, read_objects
from hcp_dr.objects.moments import utc


def is_lost(memory: RunState) -> bool:
    return memory.has(SOURCE_LOST)


class LostSource:
    """The replacement of the source's port: refuses every request."""

    name = "source"
    server = "(lost)"
    context = ""
    authority = ""
    unverified = ""  # it gets no request

    def __getattr__(self, verb: str) -> NoReturn:
        if verb.startswith("_"):
            raise AttributeError(verb)
        raise Refused(
            what=f"The source is lost, but a step made a request to it ({verb}).", todo="This is a bug in hcp-dr."
        )


def lost_source() -> Kubernetes:
    return cast("Kubernetes", LostSource())


def moment_of(manifest: Manifest, memory: RunState) -> float:
    """Seconds since the epoch: later writes are not in the backup's snapshot. A fence that was lifted and made again is
    not the snapshot's: the source took writes in between."""
    snapshot = manifest.snapshot
    if snapshot is not None and snapshot.at is not None:
        return snapshot.at
    fence = memory.get(FENCE)
    fences = [(fence.id, fence.at)] if fence else []
    fences += [(str(breach.fence), breach.since) for breach in memory.get(BREACHES) or ()]
    own = [at for name, at in fences if at is not None and snapshot is not None and name == snapshot.fence]
    return min(own, default=manifest.made_at)


def check_verified(archive: Archive, story: JournalState, bucket: Bucket, case: Case) -> Manifest:
    """The manifest of a backup that is complete here, with its snapshot in the bucket and an etcd that can be restored
    from it. Raises NoBackup, ArchiveError, AwsError, NotRestorable."""
    manifest = read_manifest(archive)
    snapshot = manifest.snapshot if manifest else None
    if manifest is None or snapshot is None:
        raise _no_backup(case, f"{archive.folder} has no snapshot in its manifest")
    check_manifest(manifest, key_prefix=case.key_prefix, bucket=case.bucket, folder=archive.folder)
    missing = [key.name for key in (NONCE, IDENTITY) if not story.memory.has(key)]
    if missing:
        raise _no_backup(case, f"the journal of {archive.folder} has no {', '.join(missing)} to prove its identity")
    read_objects(archive, manifest.entries)
    stored = find_snapshot(bucket, snapshot)
    actual = (stored.size, stored.metadata.get("sha256")) if stored else None
    if actual != (snapshot.size, snapshot.sha256):
        problem = "is missing" if stored is None else "differs from the manifest in size or sha256"
        raise _no_backup(case, f"{snapshot.key} in bucket {bucket.name} {problem}")
    refusal = Etcd(hosted_cluster_of(archive, manifest), restorable.remembered(story.memory)).refusal
    if refusal is not None:
        raise refusal
    return manifest


def _no_backup(case: Case, reason: str) -> HcpDrError:
    return NoBackup(object=f"{case.namespace}/{case.name}", folder="", reason=reason)


def loss(at: float, now: float) -> str:
    """The extent of the loss, in words."""
    minutes = max(1, math.ceil((now - at) / 60))
    span = f"{minutes} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours ({minutes} minutes)"
    return f"the snapshot is of {utc(at)}: writes of the last {span} are lost"


def hosted_cluster_of(archive: Archive, manifest: Manifest) -> Object:
    """The HostedCluster of the backup."""
    objects: Iterable[Object] = read_objects(archive, manifest.of_kind(HOSTED_CLUSTER.kind)).values()
    return next(iter(objects))


def to_fence_by_hand(case: Case, folder: str) -> str:
    stopped = ", ".join(dict.fromkeys((*RECONCILERS, *IGNORE_PAUSE, *WRITERS, *CAN_TERMINATE_INSTANCES)))
    return (
        f"keep the nodes of {case.source} off, or cut off from the network, until an engineer can do the following "
        f'as soon as its API answers: set spec.pausedUntil to "true" in HostedCluster {case.namespace}/{case.name}, '
        f"in its NodePools and, since the HyperShift operator may be down, in HostedControlPlane "
        f"{case.control_plane_namespace}/{case.name}; scale, as far as they exist, Deployments {stopped} of "
        f"{case.control_plane_namespace} to zero, in this order, and wait until their pods are gone; then "
        f"`{shlex.join(('hcp-dr', 'teardown', '--backup', folder))}`"
    )


def checks(case: Case, lost: SourceLost, folder: str) -> tuple[Check, ...]:
    """The warnings before and after the restore. `folder` is the backup's."""
    return (
        Check(
            "data_loss",
            "warning",
            loss(lost.at, lost.began),
            "the API acknowledged these writes, and no step can restore them",
            "tell the users of the hosted cluster the time of the first lost write",
        ),
        Check(
            "source_fence",
            "warning",
            f"{case.source} did not answer, so it is not proven to be fenced: if it comes back, its control plane "
            "accepts writes too, and its controllers may replace machines",
            "the instances' termination protection prevents that, and stays on",
            to_fence_by_hand(case, folder),
        ),
        _revisions(),
    )


def _revisions() -> Check:
    """Watches continue from the last revision seen (kubernetes issue 118501)."""
    return Check(
        "etcd_revision",
        "warning",
        "etcd goes back in revision, unless the release's etcd-init raises it: clients in the hosted cluster may "
        "remember objects of a later revision, and miss changes until they restart",
        "caches of controllers continue from a lost revision, and receive no events for a long time",
        "when everything is Ready, restart the clients of the API in the hosted cluster: kubelet on each node "
        "(systemctl restart kubelet; containers keep running), then the pods of kube-system, of all openshift-* "
        "namespaces, and of your own operators and controllers. The control plane's own pods are new",
    )
