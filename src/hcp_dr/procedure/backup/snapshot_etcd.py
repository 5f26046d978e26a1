"""Saves a snapshot of the fenced etcd in the etcd pod, verifies the file there, and uploads the file directly from the
pod to the bucket: no AWS key enters the pod, and no URL enters a process list. One member is authoritative, and the
revision of its file must be at least the revision at the fence. A large file is uploaded in parts, so that a resume
uploads only missing parts.

The file has the fence's ID in its name, and the object in its metadata, so that a snapshot of another fence cannot be
mistaken for the right snapshot. At the end the file is removed from etcd's volume, from which the source serves after
an abort.

An online backup has a moment instead of a fence: the cluster stays in service, and later writes may be in the file or
not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.aws.port import StoredObject, UploadedPart
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import (
    Action,
    Check,
    Decision,
    DeleteObject,
    Do,
    Done,
    PutObject,
    Refuse,
    Step,
    Wait,
    WriteFile,
)
from hcp_dr.engine.transfer import (
    MEBIBYTE,
    AbortUpload,
    BeginUpload,
    CompleteUpload,
    RemoveSnapshot,
    SaveSnapshot,
    UploadPart,
    UploadSnapshot,
)
from hcp_dr.errors import RESUME, FenceBroken, HcpDrError, SnapshotDoubtful
from hcp_dr.hypershift import scope, steps, timeouts
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.etcd import restore_url
from hcp_dr.hypershift.etcd.restore_url import RestoreUrl
from hcp_dr.hypershift.etcd.snapshot_file import (
    VOLUME,
    encryption,
    glance,
    look_back,
    no_room,
    path_of,
    read_file,
    revert,
)
from hcp_dr.hypershift.fence.state import Fence, read_fence
from hcp_dr.hypershift.state import BREACHES, FENCE, ONLINE, SNAPSHOT_FILE, UPLOAD, SnapshotFile, Upload
from hcp_dr.model import Case, Ports, Unknown
from hcp_dr.objects.archive import MANIFEST, Manifest, Snapshot, read_manifest

PARTS_PER_BATCH = 4
"""Parts that are uploaded together."""


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    bucket: str
    key: str
    manifest_key: str
    part_size: int  # in bytes; a larger file is uploaded in parts of this size
    encryption: str | None  # requested; None for the bucket's default
    fence: Fence | None  # None for an online backup
    fence_id: str | None  # or the ID of an online backup's moment
    fence_revision: int | None  # etcd's revision at the fence, or at the moment
    pod: str | None
    lacking: int  # missing bytes of free space in the pod's volume, before a file is saved
    expected: int  # size of the file in bytes, before a file is saved: at most the size of etcd's database
    file: SnapshotFile | None
    known: SnapshotFile | None  # remembered: as read completely
    upload: Upload | None  # remembered: the file of the upload in parts
    unfinished: tuple[str, ...]  # IDs of uploads, the oldest first
    parts: tuple[UploadedPart, ...]  # uploaded parts of the oldest upload
    stored: StoredObject | None
    manifest: Manifest | None
    stored_manifest: StoredObject | None
    url: RestoreUrl | None  # read if the object exists
    left: tuple[tuple[str, str], ...]  # pod and path of this fence's files, in the volume of any member
    void: tuple[str, ...] = ()  # remembered: IDs of lifted fences
    moment: float | None = None  # remembered: of an online backup, in seconds since the epoch
    others: tuple[tuple[str, str], ...] = ()  # pod and path of files left by killed online backups

    @property
    def path(self) -> str:
        return path_of(str(self.fence_id))

    @property
    def stays(self) -> str:
        """The state of the source, for errors."""
        return "the control plane stays fenced" if self.fence else "the hosted cluster stays in service"


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    online = memory.get(ONLINE)
    remembered = online or memory.get(FENCE)
    manifest_key = f"{case.key_prefix}/{MANIFEST}"
    facts = Facts(
        namespace=case.control_plane_namespace,
        bucket=ports.bucket.name,
        key=case.snapshot_key,
        manifest_key=manifest_key,
        part_size=case.part_mib * MEBIBYTE,
        encryption=ports.bucket.encryption,
        fence=None if online else read_fence(ports.source, case, memory),
        fence_id=scope.snapshot_id(memory),
        fence_revision=remembered.revision if remembered else None,
        pod=etcd_members.truth(ports.source, case),
        lacking=0,
        expected=0,
        file=None,
        known=memory.get(SNAPSHOT_FILE),
        upload=memory.get(UPLOAD),
        unfinished=(),
        parts=(),
        stored=ports.bucket.head(case.snapshot_key),
        manifest=read_manifest(ports.archive),
        stored_manifest=ports.bucket.head(manifest_key),
        url=None,
        left=(),
        void=tuple(str(breach.fence) for breach in memory.get(BREACHES) or ()),
        moment=online.at if online else None,
    )
    return _with_url(_with_upload(_with_file(facts, ports, case), ports), ports)


def _with_file(facts: Facts, ports: Ports, case: Case) -> Facts:
    """A verified file is not read a second time while its stamp is unchanged. Before the fence there is no file."""
    if facts.fence_id is None:
        return facts
    source, path = ports.source, facts.path
    volumes = {pod: glance(source, facts.namespace, pod, path) for pod in etcd_members.ready_pods(source, case)}
    left = tuple((pod, f"{VOLUME}/{name}") for pod, volume in volumes.items() for name in volume.of_save(path))
    facts = replace(facts, left=left)
    if facts.fence is None:
        others = tuple((pod, name) for pod, volume in volumes.items() for name in volume.of_online(path))
        facts = replace(facts, others=others)
    volume = volumes.get(facts.pod or "")
    if volume is None or facts.pod is None:
        return facts
    if not volume.stamp:
        return replace(facts, lacking=volume.lacking, expected=volume.database or 0)
    if facts.known and facts.known.stamp == volume.stamp:
        return replace(facts, file=facts.known)
    file = read_file(source, facts.namespace, facts.pod, path, part_size=facts.part_size, stamp=volume.stamp)
    return replace(facts, file=file)


def _with_upload(facts: Facts, ports: Ports) -> Facts:
    """Read only for an upload in parts."""
    if facts.upload is None and not (facts.file and facts.file.parts):
        return facts
    unfinished = ports.bucket.unfinished(facts.key)
    parts = ports.bucket.parts(facts.key, unfinished[0]) if unfinished else None
    return replace(facts, unfinished=unfinished, parts=parts or ())


def _with_url(facts: Facts, ports: Ports) -> Facts:
    if facts.stored is None:
        return facts
    url = ports.bucket.presign_get(facts.key, seconds=restore_url.URL_SECONDS)
    return replace(facts, url=restore_url.tried(ports, url, fresh=True))


def _check_snapshot(facts: Facts) -> HcpDrError | None:
    breach = facts.fence.breach() if facts.fence else None
    if breach or facts.fence_id is None:
        return FenceBroken(
            what=f"The fence on the source is broken ({breach or 'there was no fence'}): a snapshot could lack writes.",
            todo=f"Find out who lifted the fence, then run {RESUME} to fence the source again.",
        )
    if facts.file and not facts.file.intact:
        return SnapshotDoubtful(
            what=f"The snapshot {facts.path} in pod {facts.namespace}/{facts.pod} is damaged: its checksum is wrong.",
            left=f"The snapshot was not uploaded; {facts.stays}.",
            todo=f"Check the volume's free space, delete the file in the pod, then run {RESUME}.",
        )
    if facts.file and facts.file.revision < (facts.fence_revision or 0):
        return SnapshotDoubtful(
            what=f"The snapshot {facts.path} in pod {facts.namespace}/{facts.pod} ends at revision "
            f"{facts.file.revision}, but etcd was at revision {facts.fence_revision} at the fence: the snapshot lacks "
            "writes.",
            left=f"The snapshot was not uploaded; {facts.stays}.",
            todo=f"Check etcd's members, delete the file in the pod, then run {RESUME}.",
        )
    return _check_object(facts)


def _check_object(facts: Facts) -> HcpDrError | None:
    stored, file = facts.stored, facts.file or facts.known
    if stored is None or _delete_void(facts):
        return None
    wanted = {"fence": facts.fence_id} | ({"sha256": file.sha256} if file else {})
    metadata = {name: stored.metadata.get(name) for name in wanted}
    if metadata != wanted or (file and stored.size != file.size):
        return SnapshotDoubtful(
            what=f"The object {facts.key} in bucket {facts.bucket} is not the snapshot of this fence.",
            left="The object was not overwritten.",
            todo="Find out who wrote the object; start over with a new BACKUP_DIR, which has another key.",
        )
    if facts.encryption and stored.encryption != facts.encryption:
        return SnapshotDoubtful(
            what=f"The encryption of object {facts.key} in bucket {facts.bucket} is {stored.encryption or 'none'} "
            f"instead of {facts.encryption}, the value of BUCKET_ENCRYPTION.",
            left=f"The object stays in the bucket; {facts.stays}.",
            todo=f"Check the bucket's encryption and policy, delete the object, then run {RESUME} to upload the "
            "snapshot again.",
        )
    fault = facts.url.fault(stored.size) if facts.url else None
    if fault:
        return SnapshotDoubtful(
            what=f"The snapshot {facts.key} in bucket {facts.bucket} cannot be fetched by a presigned URL: {fault}.",
            left=f"The snapshot stays in the bucket; {facts.stays}.",
            todo=f"Check AWS_CREDS and the bucket's policy, then run {RESUME} to create another URL.",
        )
    return None


def _delete_void(facts: Facts) -> tuple[DeleteObject, ...]:
    """Deletes objects of this relocation from an earlier fence, by their metadata. The key must not change, because a
    HostedCluster's restore URL is immutable."""
    objects = ((facts.key, facts.stored), (facts.manifest_key, facts.stored_manifest))
    void = {*facts.void} - {str(facts.fence_id)}
    return tuple(DeleteObject(key) for key, stored in objects if stored and stored.metadata.get("fence") in void)


def plan(facts: Facts) -> Decision:
    error = _check_snapshot(facts)
    if error is not None:
        return Refuse(error)
    void = _delete_void(facts)
    if void:
        return Do(void)
    if facts.pod is None:
        return Wait("etcd has a Ready leader", "no leader yet", timeouts.ETCD_ANSWERS.seconds)
    file = facts.file or (facts.known if facts.stored else None)
    if file is None and facts.others:
        return Do(tuple(RemoveSnapshot("source", facts.namespace, pod, path) for pod, path in facts.others))
    if file is None:
        return _save(facts, facts.pod)
    if file != facts.known:
        return Do((SNAPSHOT_FILE.remember(file),))
    if facts.stored is None:
        return _upload_in_parts(facts, facts.pod, file) if file.parts else _upload(facts, facts.pod, file)
    return _record(facts, file, facts.stored)


def _save(facts: Facts, pod: str) -> Decision:
    if facts.lacking:
        return Refuse(no_room(facts.namespace, pod, facts.lacking, facts.stays))
    return Do((SaveSnapshot("source", facts.namespace, pod, facts.path),))


def _upload(facts: Facts, pod: str, file: SnapshotFile) -> Decision:
    metadata = file.metadata(facts.fence_id)
    return Do((UploadSnapshot("source", facts.namespace, pod, facts.path, facts.key, file.sha256, metadata),))


def _upload_in_parts(facts: Facts, pod: str, file: SnapshotFile) -> Decision:
    """An upload without a journal entry is not completed: its metadata is invisible."""
    upload = Upload(file.sha256, facts.fence_id)
    if facts.upload != upload or not facts.unfinished:
        if facts.unfinished:
            return Do(tuple(AbortUpload(facts.key, upload_id) for upload_id in facts.unfinished))
        return Do((UPLOAD.remember(upload), BeginUpload(facts.key, file.metadata(facts.fence_id))))
    upload_id, *others = facts.unfinished
    if others:
        return Do(tuple(AbortUpload(facts.key, other) for other in others))
    uploaded = {part.number: part for part in facts.parts}
    uploads: list[UploadPart] = []
    for number, sha256 in enumerate(file.parts, start=1):
        offset = (number - 1) * facts.part_size
        size = min(facts.part_size, file.size - offset)
        if number not in uploaded or (uploaded[number].size, uploaded[number].sha256_hex) != (size, sha256):
            uploads.append(
                UploadPart(
                    side="source",
                    namespace=facts.namespace,
                    pod=pod,
                    path=facts.path,
                    key=facts.key,
                    upload_id=upload_id,
                    number=number,
                    offset=offset // MEBIBYTE,
                    size=size,
                    sha256=sha256,
                )
            )
    if uploads:
        return Do(tuple(uploads[:PARTS_PER_BATCH]))
    return Do((CompleteUpload(facts.key, upload_id, tuple(uploaded[n] for n in range(1, len(file.parts) + 1))),))


def _record(facts: Facts, file: SnapshotFile, stored: StoredObject) -> Decision:
    if facts.manifest is None:
        return Refuse(SnapshotDoubtful(what="The backup folder has no manifest any more."))
    manifest = replace(facts.manifest, snapshot=_snapshot(facts, file, stored))
    if facts.manifest.snapshot != manifest.snapshot:
        return Do((WriteFile(MANIFEST, manifest.to_text()),))
    if facts.stored_manifest is None:
        return Do((PutObject(facts.manifest_key, manifest.to_text().encode(), {"fence": str(facts.fence_id)}),))
    cleanup = _clean_up(facts)
    if cleanup:
        return Do(cleanup)
    seen = f"{file.size} bytes, revision {file.revision}, {file.total_keys} keys, sha256 {file.sha256[:12]}…"
    return Done(seen, checks(facts, stored))


def _clean_up(facts: Facts) -> tuple[Action, ...]:
    """Removes the temporary files and uploads of the transfer."""
    return (
        *(AbortUpload(facts.key, upload_id) for upload_id in facts.unfinished),
        *(RemoveSnapshot("source", facts.namespace, pod, path) for pod, path in facts.left),
    )


def checks(facts: Facts, stored: StoredObject) -> tuple[Check, ...]:
    return (encryption(stored), *((restore_url.check(facts.url),) if facts.url else ()))


def _snapshot(facts: Facts, file: SnapshotFile, stored: StoredObject) -> Snapshot:
    return file.stored_as(facts.bucket, stored, str(facts.fence_id), facts.moment)


def foresee(facts: Facts) -> Facts:
    manifest = facts.manifest or Manifest({}, 0, None, ())
    fence_id = facts.fence_id or Unknown("<fence>")
    return replace(facts, fence=facts.fence and facts.fence.made(), fence_id=fence_id, manifest=manifest)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if _delete_void(facts):
        return replace(facts, stored=None, stored_manifest=None)
    if facts.pod is None:
        return replace(facts, pod=Unknown("a pod of etcd"))
    file = facts.file or (facts.known if facts.stored else None)
    if file is None and facts.others:
        return replace(facts, others=())
    if file is None:
        count = -(-facts.expected // facts.part_size) if facts.expected > facts.part_size else 0
        parts = tuple(Unknown("sha256") for _ in range(count))
        revision = facts.fence_revision or 0
        return replace(
            facts, file=SnapshotFile(facts.expected, Unknown("sha256"), "", revision, 0, intact=True, parts=parts)
        )
    if file != facts.known:
        return replace(facts, known=file)
    if facts.stored is None:
        return _after_upload(facts, file, decision)
    snapshot = _snapshot(facts, file, facts.stored)
    if facts.manifest and facts.manifest.snapshot != snapshot:
        return replace(facts, manifest=replace(facts.manifest, snapshot=snapshot))
    if facts.stored_manifest is None:
        return replace(facts, stored_manifest=facts.stored)
    return replace(facts, unfinished=(), left=())


def _after_upload(facts: Facts, file: SnapshotFile, decision: Decision) -> Facts:
    action = decision.actions[-1] if isinstance(decision, Do) else None
    match action:
        case BeginUpload():
            upload = Upload(file.sha256, facts.fence_id)
            return replace(facts, upload=upload, unfinished=(Unknown("upload"),), parts=())
        case AbortUpload():
            ours = facts.upload == Upload(file.sha256, facts.fence_id)
            return replace(facts, unfinished=facts.unfinished[:1] if ours else ())
        case UploadPart():
            assert isinstance(decision, Do)  # noqa: S101 - always true with an action
            uploads = [each for each in decision.actions if isinstance(each, UploadPart)]
            uploaded = {part.number: part for part in facts.parts}
            uploaded |= {each.number: UploadedPart(each.number, each.size, "", each.sha256) for each in uploads}
            return replace(facts, parts=tuple(uploaded[number] for number in sorted(uploaded)))
    metadata = {"fence": str(facts.fence_id), "sha256": file.sha256}
    stored = StoredObject(facts.key, file.size, metadata, "", facts.encryption)
    return replace(facts, stored=stored, unfinished=(), left=((str(facts.pod), facts.path),))


STEP = Step(
    name=steps.BACKUP_SNAPSHOT_ETCD,
    documented="8.6.2-3",
    observe=observe,
    plan=plan,
    waits=(timeouts.ETCD_ANSWERS,),
    foresee=foresee,
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
)
