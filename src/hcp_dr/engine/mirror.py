"""The journal's mirror in the bucket, beside the backup: another machine can continue from it.

    hcp-dr/<namespace>/<name>/<backup id>/journal.jsonl
                                          files/<sha256>      the manifest, named by the journal, and the NodePools of
                                                              the backup, named by the manifest

The journal proves that hcp-dr wrote it (`authenticity`), and the other files are named by their content. NodePools are
there because the source changes their status.

Written whole, and only over content that this run wrote or read: before a batch that remembers a value acts, before the
first act of a step that can be undone, before the point of no return, at the end of a step, and at the end of the run.
So another machine knows everything that an abort has to undo, and a remembered value is in the mirror before a step
acts on it, unless the bucket fails; then the run continues without the mirror, reports that once, and sends it later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from hcp_dr.aws.port import Bucket, ListedObject
from hcp_dr.engine.authenticity import Keys
from hcp_dr.engine.journal import FILE_NAME, JournalState, Mirrored, parse, parse_journal
from hcp_dr.engine.journal_lines import Line
from hcp_dr.engine.progress import Progress
from hcp_dr.engine.wait import Clock
from hcp_dr.errors import RESUME, ArchiveError, AwsConflict, AwsError, BucketRefused, JournalError, NotAuthentic
from hcp_dr.hiding import without_secret_fields
from hcp_dr.objects.archive import (
    MANIFEST,
    Archive,
    Entry,
    check_manifest,
    parse_manifest,
    read_manifest,
    read_objects,
    sha256_of,
)
from hcp_dr.objects.naming import bucket_prefix

FILES = "files/"
SEND_INTERVAL = 5.0
"""Seconds between two mirrors at the ends of short steps. Losing the last ones costs only repeated observations."""
RETRY_INTERVAL = 30.0
"""Seconds before the next request to a bucket that failed."""
_LARGEST = 64 * 1024**2
"""The bytes of an object that is read into memory: larger than any journal or manifest."""
_READS = 5
"""How often a journal is read that does not fit its code: its writer may have replaced it between two requests."""

_MIRRORED_KIND = "NodePool"
"""The kind of the manifest's objects that is mirrored: NodePools rarely hold a secret, and the source keeps changing
their status."""

Lines = Sequence[Line]


@dataclass(frozen=True, slots=True)
class MirroredJournal:
    """A journal in the bucket. A `fault` says why its `content` is not proven to be of hcp-dr; `modified` is in seconds
    since the epoch, None if unknown."""

    prefix: str
    content: bytes
    etag: str
    modified: float | None = None
    fault: str = ""
    bucket: str = ""

    @property
    def backup_id(self) -> str:
        return self.prefix.rpartition("/")[2]

    @property
    def where(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}/{FILE_NAME}"

    @property
    def error(self) -> NotAuthentic:
        """The error for the fault."""
        return NotAuthentic(path=self.where, reason=self.fault)

    @property
    def data(self) -> bytes:
        """The content. Raises NotAuthentic."""
        if self.fault:
            raise self.error
        return self.content

    @property
    def story(self) -> JournalState:
        """Raises NotAuthentic, JournalError."""
        return parse_journal(self.data, self.where)


def fetch(bucket: Bucket, prefix: str, keys: Keys) -> MirroredJournal | None:
    """The mirror of one backup. `prefix` is the folder in the bucket. Raises AwsError."""
    key, etags = f"{prefix}/{FILE_NAME}", [""]
    while True:
        head = bucket.head(key)
        if head is None:
            return None
        content = bucket.get(key) if head.size <= _LARGEST else b""
        fault = keys.find_fault(key, content, head.metadata)
        if not fault or head.etag == etags[-1] or len(etags) > _READS:
            return MirroredJournal(prefix, content, head.etag, fault=fault, bucket=bucket.name)
        etags.append(head.etag)


def list_mirrors(bucket: Bucket, namespace: str, name: str) -> tuple[ListedObject, ...]:
    """The journals of all backups of the hosted cluster. Raises AwsError."""
    root = bucket_prefix(namespace, name)
    return tuple(item for item in bucket.list(root) if item.key.removeprefix(root).split("/")[1:] == [FILE_NAME])


def find_newest(
    bucket: Bucket, listed: Iterable[ListedObject], keys: Keys, backup_ids: Collection[str] = ()
) -> MirroredJournal | None:
    """The mirror written last: of these backups, or of all listed ones if none is given. Raises AwsError."""
    journals = [item for item in listed if not backup_ids or item.key.split("/")[-2] in backup_ids]
    if not journals:
        return None
    last = max(journals, key=lambda item: (item.modified, item.key))
    mirrored = fetch(bucket, last.key.removesuffix(f"/{FILE_NAME}"), keys)
    return mirrored and replace(mirrored, modified=last.modified)


def outdated(path: object) -> NotAuthentic:
    return NotAuthentic(path=path, reason="it ends before lines that the bucket had, as the Leases record")


def reconcile(ours: Lines, theirs: Lines, path: object) -> Lines:
    """Of two journals with a common beginning, the one to continue. The tail of the other is dropped if no value
    remembered in it was acted upon: the next observation settles the rest. Raises JournalError if both tails were."""
    common = next((n for n, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
    if common is None:
        return ours if len(ours) >= len(theirs) else theirs
    if not _was_acted_upon(ours[common:]):
        return theirs
    if not _was_acted_upon(theirs[common:]):
        return ours
    raise JournalError(
        path=path,
        reason=f"this journal and its mirror in the bucket differ after line {common}: two machines continued the "
        "relocation independently",
        left="Nothing of the hosted cluster was changed by this command.",
        todo="Find the folder of the machine that acted last, and pass it with --backup.",
    )


def _was_acted_upon(tail: Lines) -> bool:
    """A remembered value is in the mirror before any later line, unless the bucket failed. A `manifest` line is
    written right before the journal is sent."""
    kinds = [line.kind == "remember" for line in tail if line.kind != "manifest"]
    return any(remembered and not all(kinds[place:]) for place, remembered in enumerate(kinds))


def _is_harmless(archive: Archive, entry: Entry) -> bool:
    """Whether a file has no text with the name or the form of a secret, such as an annotation with a password."""
    try:
        item = read_objects(archive, [entry])[entry]
    except ArchiveError:
        return False
    return bool(without_secret_fields(item) == item)


@dataclass(slots=True)
class Mirror:
    """The mirror of one journal and of its manifest. `prefix` is the backup's folder in the bucket."""

    bucket: Bucket
    prefix: str
    journal: Mirrored
    archive: Archive
    clock: Clock
    tell: Callable[[Progress], None]
    announced: str = ""  # the step announced here before its actions are carried out
    keys: Keys = field(default_factory=Keys)
    mark: str = field(default="", init=False)  # of the journal that the bucket has
    _etag: str | None = field(default=None, init=False)
    _sent: bytes = field(default=b"", init=False)
    _sent_at: float = field(default=float("-inf"), init=False)
    _files: set[str] = field(default_factory=lambda: {""}, init=False)  # sha256 of the files sent
    _failed_at: float | None = field(default=None, init=False)
    _begun: frozenset[str] = field(default=frozenset(), init=False)  # the steps in the mirror

    @property
    def key(self) -> str:
        return f"{self.prefix}/{FILE_NAME}"

    @property
    def is_failing(self) -> bool:
        """Whether the bucket lacks lines of the journal because of a failure."""
        return self._failed_at is not None

    def read(self) -> MirroredJournal | None:
        """The current mirror; this run may overwrite it from now on. Raises AwsError."""
        mirrored = fetch(self.bucket, self.prefix, self.keys)
        self._etag = mirrored.etag if mirrored else None
        return mirrored

    def fetch_folder(self) -> None:
        """Write the manifest that the journal names, and its mirrored files, into the folder; no file if the manifest
        is not valid. Raises AwsError, ArchiveError, NotAuthentic."""
        digest, ours = self.journal.story.manifest, self.archive.read(MANIFEST)
        if not digest or (ours is not None and sha256_of(ours) == digest):
            return
        where = f"s3://{self.bucket.name}/{self._key_of(digest)}"
        data = self._file(digest)
        if data is None and ours is not None:
            raise ArchiveError(folder=self.archive.folder, reason=f"its {MANIFEST} is outdated, and {where} is missing")
        if data is None:
            self.tell(Progress("again", "mirror", f"{where} is missing: the backup's files are not known here"))
            return
        manifest = parse_manifest(data, where)
        check_manifest(manifest, key_prefix=self.prefix, bucket=self.bucket.name, folder=where)
        files = {MANIFEST: data}
        for entry in manifest.of_kind(_MIRRORED_KIND):
            data = self._file(entry.sha256)
            if data is not None:
                files[entry.file] = data
        try:
            texts = {path: data.decode() for path, data in files.items()}
        except UnicodeDecodeError as error:
            raise ArchiveError(folder=where, reason=f"a file in it is not text ({error.reason})") from error
        for path, text in texts.items():
            self.archive.write(path, text)

    def _file(self, sha256: str) -> bytes | None:
        """Raises NotAuthentic if the content is another."""
        key = self._key_of(sha256)
        head = self.bucket.head(key)
        if head is None:
            return None
        data = self.bucket.get(key) if head.size <= _LARGEST else b""
        if sha256_of(data) != sha256:
            reason = "its content was replaced: it does not have the sha256 of its name"
            raise NotAuthentic(path=f"s3://{self.bucket.name}/{key}", reason=reason)
        return data

    def _key_of(self, sha256: str) -> str:
        return f"{self.prefix}/{FILES}{sha256}"

    def must_send_before(self, step: str, *, undoable: bool) -> bool:
        """Whether the mirror must have this step before the step acts: an abort elsewhere undoes the steps in it."""
        return step == self.announced or (undoable and step not in self._begun)

    def send_if_due(self) -> None:
        """Send if the manifest is new, or the mirror some seconds old."""
        if self.journal.story.manifest not in self._files or self.clock.now() - self._sent_at >= SEND_INTERVAL:
            self.send()

    def send(self) -> None:
        """Send the whole journal, the files first. A failing bucket is reported once. Raises JournalError if another
        client wrote the mirror since."""
        now = self.clock.now()
        if self._failed_at is not None and now - self._failed_at < RETRY_INTERVAL:
            return
        try:
            self._send_files()
            self._send_journal()
        except AwsError as error:
            if self._failed_at is None:
                text = f"the bucket has no current copy of the journal, so no other machine could resume: {error.what}"
                self.tell(Progress("again", "mirror", text))
            self._failed_at = now
            if isinstance(error, BucketRefused):
                self._etag = None  # another client may have deleted it
            return
        if self._failed_at is not None:
            self.tell(Progress("act", "mirror", "the bucket has a copy of the journal again"))
        self._failed_at, self._sent_at, self._begun = None, now, self.journal.story.memory.begun

    def _send_files(self) -> None:
        if self.journal.story.manifest in self._files:
            return
        manifest = read_manifest(self.archive)
        entries = manifest.of_kind(_MIRRORED_KIND) if manifest else ()
        for path in (*(entry.file for entry in entries if _is_harmless(self.archive, entry)), MANIFEST):
            data = self.archive.read(path)
            if data is not None and (digest := sha256_of(data)) not in self._files:
                self.bucket.put(self._key_of(digest), data, metadata={})
                self._files.add(digest)

    def _send_journal(self) -> None:
        data = self.journal.data()
        if data == self._sent:
            return
        mark = self.journal.story.mark
        try:
            self._put(data)
        except AwsConflict:
            self._check_ours()
            self._put(data)
        self._sent, self.mark = data, mark

    def _put(self, data: bytes) -> None:
        absent = self._etag is None
        metadata = self.keys.sign(self.key, data)
        self._etag = self.bucket.put(self.key, data, metadata=metadata, if_absent=absent, if_etag=self._etag)

    def _check_ours(self) -> None:
        """Accept a mirror that is a beginning of our journal: our own write, whose answer was lost. A mirror that
        hcp-dr did not write is overwritten: the Leases are ours."""
        try:
            mirrored = self.read()
            lines = parse(mirrored.data) if mirrored else []
        except NotAuthentic as error:
            self.tell(Progress("warned", "mirror", f"{error.what} It is overwritten."))
            return
        if lines != list(self.journal.story.lines[: len(lines)]):
            raise JournalError(
                path=f"s3://{self.bucket.name}/{self.key}",
                reason="another machine continued this relocation and wrote its mirror",
                left="Nothing was begun after that; what was done so far stays as it is.",
                todo=f"Find the current writer with `hcp-dr status`; if no command is running, run {RESUME}.",
            )
