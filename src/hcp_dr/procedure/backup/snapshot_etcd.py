"""Saves the fenced etcd in its pod, verifies the file there, and sends it straight from the pod to the bucket: no AWS
key enters the pod, and no URL a process list. One member is the truth, and its file must reach at least as far as the
fenced etcd did. A large file goes in parts, so that a resume sends only what has not arrived.

The file bears the fence's id in its name, and the object in its metadata, so that no snapshot of another fence can be
taken for this one's. At the end the file is removed from etcd's volume, which an abort would serve from.

An online backup has a moment instead of a fence: the cluster goes on, and its writes after that may be in the file or
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

AT_A_TIME = 4
"""Parts that go out together."""


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    bucket: str
    key: str
    manifest_key: str
    part_size: int  # in bytes; what is larger goes in parts of so much
    encryption: str | None  # asked for; None leaves it to the bucket
    fence: Fence | None  # None for an online backup
    fence_id: str | None  # or that of the moment of an online backup
    fence_revision: int | None  # etcd's, when it stood still, or at that moment
    pod: str | None
    lacking: int  # bytes of room in its volume, where nothing is saved yet
    expected: int  # bytes of the file, where nothing is saved yet: not more than etcd's database has
    file: SnapshotFile | None
    known: SnapshotFile | None  # remembered: as it was read whole
    upload: Upload | None  # remembered: for what an upload in parts was begun
    unfinished: tuple[str, ...]  # ids of uploads, the oldest first
    parts: tuple[UploadedPart, ...]  # that have arrived of the oldest
    stored: StoredObject | None
    manifest: Manifest | None
    stored_manifest: StoredObject | None
    url: RestoreUrl | None  # looked at when the object is there
    left: tuple[tuple[str, str], ...]  # pod and path of what this fence saved, in whichever member's volume
    void: tuple[str, ...] = ()  # remembered: ids of fences that were lifted
    moment: float | None = None  # remembered: of an online backup, in seconds since the epoch
    others: tuple[tuple[str, str], ...] = ()  # pod and path of what online backups left that were killed

    @property
    def path(self) -> str:
        return path_of(str(self.fence_id))

    @property
    def stays(self) -> str:
        """How the source is left, for errors."""
        return "the control plane stays fenced" if self.fence else "the hosted cluster goes on as it was"


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
    """What was read whole and verified is read no second time while it is that very file. Before the fence there is
    nothing to look at."""
    if facts.fence_id is None:
        return facts
    source, path = ports.source, facts.path
    seen = {pod: glance(source, facts.namespace, pod, path) for pod in etcd_members.ready_pods(source, case)}
    facts = replace(facts, left=tuple((pod, f"{VOLUME}/{name}") for pod in seen for name in seen[pod].of_save(path)))
    if facts.fence is None:
        facts = replace(facts, others=tuple((pod, name) for pod in seen for name in seen[pod].of_online(path)))
    there = seen.get(facts.pod or "")
    if there is None or facts.pod is None:
        return facts
    if not there.stamp:
        return replace(facts, lacking=there.lacking, expected=there.database or 0)
    if facts.known and facts.known.stamp == there.stamp:
        return replace(facts, file=facts.known)
    file = read_file(source, facts.namespace, facts.pod, path, part_size=facts.part_size, stamp=there.stamp)
    return replace(facts, file=file)


def _with_upload(facts: Facts, ports: Ports) -> Facts:
    """Asked only where parts are sent, or were."""
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


def _doubt(facts: Facts) -> HcpDrError | None:
    breach = facts.fence.breach() if facts.fence else None
    if breach or facts.fence_id is None:
        return FenceBroken(
            what=f"The fence does not hold ({breach or 'it was never made'}): a snapshot would not be the whole truth.",
            todo=f"Find out who lifted it, then run {RESUME}: the source is fenced anew.",
        )
    if facts.file and not facts.file.intact:
        return SnapshotDoubtful(
            what=f"The snapshot {facts.path} in pod {facts.namespace}/{facts.pod} is damaged: its checksum is wrong.",
            left=f"It was not uploaded; {facts.stays}.",
            todo=f"Look at the volume's free space, delete the file in the pod, then run {RESUME}.",
        )
    if facts.file and facts.file.revision < (facts.fence_revision or 0):
        return SnapshotDoubtful(
            what=f"The snapshot {facts.path} in pod {facts.namespace}/{facts.pod} ends at revision "
            f"{facts.file.revision}, but etcd stood at {facts.fence_revision} when it was fenced: it lacks writes.",
            left=f"It was not uploaded; {facts.stays}.",
            todo=f"Look at etcd's members, delete the file in the pod, then run {RESUME}.",
        )
    return _doubt_of_object(facts)


def _doubt_of_object(facts: Facts) -> HcpDrError | None:
    stored, file = facts.stored, facts.file or facts.known
    if stored is None or _thrown_away(facts):
        return None
    wanted = {"fence": facts.fence_id} | ({"sha256": file.sha256} if file else {})
    there = {name: stored.metadata.get(name) for name in wanted}
    if there != wanted or (file and stored.size != file.size):
        return SnapshotDoubtful(
            what=f"The object {facts.key} in bucket {facts.bucket} is not the snapshot of this fence.",
            left="It was not overwritten.",
            todo="Find out who wrote it; start over with a new BACKUP_DIR, which has a key of its own.",
        )
    if facts.encryption and stored.encryption != facts.encryption:
        return SnapshotDoubtful(
            what=f"The object {facts.key} in bucket {facts.bucket} is encrypted with {stored.encryption or 'nothing'} "
            f"instead of {facts.encryption}, which BUCKET_ENCRYPTION asks for.",
            left=f"It is in the bucket as it is; {facts.stays}.",
            todo=f"Look at the bucket's encryption and policy, delete the object, then run {RESUME}, which sends "
            "it again.",
        )
    fault = facts.url.fault(stored.size) if facts.url else None
    if fault:
        return SnapshotDoubtful(
            what=f"The snapshot {facts.key} in bucket {facts.bucket} cannot be fetched by a presigned URL: {fault}.",
            left=f"It is in the bucket; {facts.stays}.",
            todo=f"Look at AWS_CREDS and the bucket's policy, then run {RESUME}: it makes another URL.",
        )
    return None


def _thrown_away(facts: Facts) -> tuple[DeleteObject, ...]:
    """What this relocation stored under an earlier fence, by its metadata. The key must stay as it is: the URL that a
    HostedCluster restores from is immutable."""
    there = ((facts.key, facts.stored), (facts.manifest_key, facts.stored_manifest))
    void = {*facts.void} - {str(facts.fence_id)}
    return tuple(DeleteObject(key) for key, stored in there if stored and stored.metadata.get("fence") in void)


def plan(facts: Facts) -> Decision:
    doubt = _doubt(facts)
    if doubt is not None:
        return Refuse(doubt)
    void = _thrown_away(facts)
    if void:
        return Do(void)
    if facts.pod is None:
        return Wait("a Ready pod of etcd leads", "none does", timeouts.ETCD_ANSWERS.seconds)
    file = facts.file or (facts.known if facts.stored else None)
    if file is None and facts.others:
        return Do(tuple(RemoveSnapshot("source", facts.namespace, pod, path) for pod, path in facts.others))
    if file is None:
        return _save(facts, facts.pod)
    if file != facts.known:
        return Do((SNAPSHOT_FILE.remember(file),))
    if facts.stored is None:
        return _send_in_parts(facts, facts.pod, file) if file.parts else _send(facts, facts.pod, file)
    return _write_down(facts, file, facts.stored)


def _save(facts: Facts, pod: str) -> Decision:
    if facts.lacking:
        return Refuse(no_room(facts.namespace, pod, facts.lacking, facts.stays))
    return Do((SaveSnapshot("source", facts.namespace, pod, facts.path),))


def _send(facts: Facts, pod: str, file: SnapshotFile) -> Decision:
    metadata = file.metadata(facts.fence_id)
    return Do((UploadSnapshot("source", facts.namespace, pod, facts.path, facts.key, file.sha256, metadata),))


def _send_in_parts(facts: Facts, pod: str, file: SnapshotFile) -> Decision:
    """What is begun before the journal says for what is not ours to complete: its metadata cannot be seen."""
    begun = Upload(file.sha256, facts.fence_id)
    if facts.upload != begun or not facts.unfinished:
        if facts.unfinished:
            return Do(tuple(AbortUpload(facts.key, upload_id) for upload_id in facts.unfinished))
        return Do((UPLOAD.remember(begun), BeginUpload(facts.key, file.metadata(facts.fence_id))))
    upload_id, *others = facts.unfinished
    if others:
        return Do(tuple(AbortUpload(facts.key, other) for other in others))
    arrived = {part.number: part for part in facts.parts}
    sent: list[UploadPart] = []
    for number, sha256 in enumerate(file.parts, start=1):
        offset = (number - 1) * facts.part_size
        size = min(facts.part_size, file.size - offset)
        if number not in arrived or (arrived[number].size, arrived[number].sha256_hex) != (size, sha256):
            sent.append(
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
    if sent:
        return Do(tuple(sent[:AT_A_TIME]))
    return Do((CompleteUpload(facts.key, upload_id, tuple(arrived[n] for n in range(1, len(file.parts) + 1))),))


def _write_down(facts: Facts, file: SnapshotFile, stored: StoredObject) -> Decision:
    if facts.manifest is None:
        return Refuse(SnapshotDoubtful(what="The backup folder has lost its manifest."))
    manifest = replace(facts.manifest, snapshot=_snapshot(facts, file, stored))
    if facts.manifest.snapshot != manifest.snapshot:
        return Do((WriteFile(MANIFEST, manifest.to_text()),))
    if facts.stored_manifest is None:
        return Do((PutObject(facts.manifest_key, manifest.to_text().encode(), {"fence": str(facts.fence_id)}),))
    tidied = _tidied(facts)
    if tidied:
        return Do(tidied)
    seen = f"{file.size} bytes, revision {file.revision}, {file.total_keys} keys, sha256 {file.sha256[:12]}…"
    return Done(seen, checks(facts, stored))


def _tidied(facts: Facts) -> tuple[Action, ...]:
    """What takes away all that the transfer needed and nobody needs any more."""
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
    if _thrown_away(facts):
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
        return _afterwards_of_parts(facts, file, decision)
    snapshot = _snapshot(facts, file, facts.stored)
    if facts.manifest and facts.manifest.snapshot != snapshot:
        return replace(facts, manifest=replace(facts.manifest, snapshot=snapshot))
    if facts.stored_manifest is None:
        return replace(facts, stored_manifest=facts.stored)
    return replace(facts, unfinished=(), left=())


def _afterwards_of_parts(facts: Facts, file: SnapshotFile, decision: Decision) -> Facts:
    action = decision.actions[-1] if isinstance(decision, Do) else None
    match action:
        case BeginUpload():
            begun = Upload(file.sha256, facts.fence_id)
            return replace(facts, upload=begun, unfinished=(Unknown("upload"),), parts=())
        case AbortUpload():
            ours = facts.upload == Upload(file.sha256, facts.fence_id)
            return replace(facts, unfinished=facts.unfinished[:1] if ours else ())
        case UploadPart():
            assert isinstance(decision, Do)  # noqa: S101 - it is, where there is an action
            sent = [each for each in decision.actions if isinstance(each, UploadPart)]
            arrived = {part.number: part for part in facts.parts}
            arrived |= {each.number: UploadedPart(each.number, each.size, "", each.sha256) for each in sent}
            return replace(facts, parts=tuple(arrived[number] for number in sorted(arrived)))
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
