"""A snapshot saved and uploaded with the documented commands, and the fence: is it complete, and does it hold all
writes that the source acknowledged?

The documented key is overwritten by every backup and has no information about a fence. So the object is read once,
here; further facts come from the etcd pod, which still has the documented file, and from the writers' Deployments. A
proof about an object stays valid: it is remembered with the object's ETag.
"""

from __future__ import annotations

import json
import re
from calendar import timegm
from collections.abc import Iterable
from dataclasses import dataclass

from hcp_dr.aws.port import StoredObject
from hcp_dr.engine.step import Check
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.fence.state import WRITERS
from hcp_dr.hypershift.state import Judged, Saved
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import DEPLOYMENT
from hcp_dr.model import Case, Ports
from hcp_dr.objects.digest import Digest, digest
from hcp_dr.objects.reading import dig, name_of
from hcp_dr.upstream import ETCD, USUAL_GRACE

FILE = "/var/lib/data/snapshot.db"
ETCD_POD = "etcd-0"
"""The documented loop uploads the file of this pod under the name of every pod, so only this file counts."""
OWNER = "hosted-cluster"
"""Metadata of hcp-dr's objects under the documented key, which has no namespace: the owner, as namespace/name."""
SKEW = 5.0
"""Seconds by which the clocks of a node, an API server and the bucket may differ here."""
SNAPSHOT_WHOLE = "snapshot_whole"
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)")


@dataclass(frozen=True, slots=True)
class HandSnapshot:
    """All known facts. Times in seconds since the epoch.

    ordered: when the first writer was scaled down; gone: the latest time at which the last writer's pods were gone, by
    the last update of its Deployment and the grace of its pods. Both None if the Deployments do not show them."""

    key: str
    stored: StoredObject | None
    digest: Digest | None
    saved: Saved | None
    members: int  # desired members of the source's etcd
    revisions: tuple[int, ...]  # of its members that answer
    ordered: float | None
    gone: float | None

    @property
    def kept(self) -> Saved | None:
        """The facts about the object, if the file in the pod has the same content."""
        same = self.saved and self.digest and self.saved.sha256 == self.digest.sha256
        return self.saved if same else None


def documented_key(name: str) -> str:
    return f"{name}-{ETCD_POD}-snapshot.db"


def read_manual_snapshot(ports: Ports, case: Case, judged: Judged | None) -> HandSnapshot:
    """An object that was already `judged` is not read again; it may have gigabytes."""
    key = documented_key(case.name)
    stored = ports.bucket.head(key)
    if stored and judged and judged.etag == stored.etag:
        read, saved = judged.digest, judged.saved
    else:
        read = digest(ports.bucket.stream(key)) if stored else None
        saved = _read_saved(ports.source, case)
    deployments = ports.source.list(DEPLOYMENT, case.control_plane_namespace).items
    writers = [item for item in deployments if name_of(item) in WRITERS]
    return HandSnapshot(
        key=key,
        stored=stored,
        digest=read,
        saved=saved,
        members=etcd_members.replicas(ports.source, case),
        revisions=tuple(member.revision for member in etcd_members.members(ports.source, case)),
        ordered=min((moment for item in writers if (moment := scaled_at(item)) is not None), default=None),
        gone=_last_gone(writers),
    )


def _read_saved(cluster: Kubernetes, case: Case) -> Saved | None:
    if ETCD_POD not in etcd_members.ready_pods(cluster, case):
        return None
    script = (
        f"f={FILE}; test -e $f || exit 0; "
        "if command -v etcdutl >/dev/null; then etcdutl snapshot status $f -w json; "
        "else ETCDCTL_API=3 etcdctl snapshot status $f -w json; fi; "
        "stat -c %W $f; sha256sum < $f"
    )
    command = ["/bin/bash", "-c", script]
    completed = cluster.execute(case.control_plane_namespace, ETCD_POD, ETCD, command, seconds=600)
    lines = completed.stdout.decode(errors="replace").splitlines()
    if len(lines) != 3 or not lines[0].startswith("{"):
        return None
    status, born = json.loads(lines[0]), lines[1].strip()
    return Saved(
        sha256=lines[2].split()[0],
        hash=f"{int(status['hash']):x}",
        revision=int(status["revision"]),
        total_keys=int(status["totalKey"]),
        born=float(born) if born.isdigit() and int(born) > 0 else None,
    )


def seconds_of(moment: object) -> float | None:
    """The seconds of an RFC 3339 time in UTC, as Kubernetes writes it."""
    match = _MOMENT.match(str(moment or ""))
    return float(timegm(tuple(int(part) for part in match.groups()))) if match else None


def scaled_at(deployment: Object) -> float | None:
    """When its replicas were last set by any client."""
    entries = deployment["metadata"].get("managedFields") or ()
    entries_of_replicas = (each for each in entries if dig(each.get("fieldsV1"), "f:spec", "f:replicas") is not None)
    return max(
        (moment for each in entries_of_replicas if (moment := seconds_of(each.get("time"))) is not None), default=None
    )


def _last_gone(writers: Iterable[Object]) -> float | None:
    """The latest time at which the last pod of the last writer was gone: their controllers have reported nothing since,
    and a pod is killed after its grace period."""
    latest = []
    for item in writers:
        times = [seconds_of(each.get("time")) for each in item["metadata"].get("managedFields") or ()]
        known = [moment for moment in times if moment is not None]
        if not known:
            return None
        grace = dig(item, "spec", "template", "spec", "terminationGracePeriodSeconds")
        latest.append(max(known) + float(USUAL_GRACE if grace is None else grace))
    return max(latest, default=None)


def check_stored(snapshot: HandSnapshot, bucket: str) -> Check:
    """Is there an object, and is it a complete snapshot?"""
    if snapshot.stored is None or snapshot.digest is None:
        return Check(
            "snapshot",
            "blocked",
            f"there is no object {snapshot.key} in bucket {bucket}",
            "the content of etcd would be missing",
            f"save it in pod {ETCD_POD} and upload it under this key, or correct BUCKET_NAME",
        )
    if not snapshot.digest.intact:
        return Check(
            "snapshot",
            "blocked",
            f"{snapshot.key} has {snapshot.digest.size} bytes, and the sha256 at its end does not match the rest",
            "etcd would refuse to restore it, after the hosted API is already down",
            "save and upload it again",
        )
    return Check("snapshot", "ok", f"{snapshot.key}, {snapshot.digest.size} bytes, complete")


def check_whole(snapshot: HandSnapshot) -> Check:
    """Does it hold all writes acknowledged before the fence (I3)? The revision of a fenced etcd still rises when keys
    with a lease expire, so an older snapshot may also be complete; then only its time proves that, and only for an etcd
    with one member."""
    saved, newest = snapshot.kept, max(snapshot.revisions, default=None)
    complete = len(snapshot.revisions) >= max(snapshot.members, 1)
    if saved and complete and saved.revision == newest:
        return Check(SNAPSHOT_WHOLE, "ok", f"it ends at revision {newest}, like the fenced etcd")
    begun = saved.born if saved and snapshot.members == 1 else None
    if begun is not None and snapshot.gone is not None and begun > snapshot.gone + SKEW:
        return Check(SNAPSHOT_WHOLE, "ok", f"it was begun {begun - snapshot.gone:.0f} s after the last writer was gone")
    return _doubtful(snapshot, newest)


def _doubtful(snapshot: HandSnapshot, newest: int | None) -> Check:
    why = "later writes are lost, although the hosted API acknowledged them"
    again = (
        f"the fence holds now, so save it in pod {ETCD_POD} (`etcdctl snapshot save {FILE}`), upload it under the same "
        "key and run the command again"
    )
    modified = snapshot.stored.modified if snapshot.stored else None
    older = None
    if modified is not None and snapshot.ordered is not None and modified < snapshot.ordered - SKEW:
        older = snapshot.ordered - modified
    if older is not None:
        message = f"it was uploaded {older:.0f} s before the first API server was scaled down"
        if newest is not None:
            return Check(SNAPSHOT_WHOLE, "blocked", message, why, again)
        return Check(
            SNAPSHOT_WHOLE,
            "warning",
            f"{message}, and the source's etcd does not answer",
            why,
            "continue if nothing is left of it",
        )
    if newest is None:
        message = "the source's etcd does not answer, so its last revision is unknown"
        return Check(
            SNAPSHOT_WHOLE,
            "warning",
            message,
            why,
            f"start pod {ETCD_POD} to compare, or continue if it is gone for good",
        )
    if snapshot.kept is None:
        message = f"pod {ETCD_POD} has no file {FILE} with the same content, so the snapshot's time is unknown"
    else:
        message = f"it ends at revision {snapshot.kept.revision}, but the fenced etcd is at {newest}"
    return Check(SNAPSHOT_WHOLE, "warning", message, why, again)
