"""The journal's mirror in the bucket, beside the backup, so that another machine can go on.

    hcp-dr/<namespace>/<name>/<backup id>/journal.jsonl
                                          folder/manifest.json      what the objects of the backup are known by
                                          folder/namespaces/…       its NodePools, whose status the source changes on

Written whole, and only over what this run wrote or read: before a batch that remembers something acts, before the
first act of a step that can be undone, before the point of no return, at the end of a step, and when the run ends. So
another machine knows all that an abort has to take back, and what is remembered is never acted upon unseen by the
mirror, unless the bucket fails; then the run goes on without it, says so once, and writes it again later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hcp_dr.aws.port import Bucket
from hcp_dr.engine.journal import FILE_NAME, JournalState, Mirrored, parse, parse_journal
from hcp_dr.engine.progress import Progress
from hcp_dr.engine.wait import Clock
from hcp_dr.errors import RESUME, ArchiveError, AwsConflict, AwsError, BucketRefused, JournalError
from hcp_dr.objects.archive import MANIFEST, Archive, Entry, check_manifest, parse_manifest, read_manifest, sha256_of
from hcp_dr.objects.naming import bucket_prefix

FOLDER = "folder/"
OFTEN = 5.0
"""Seconds between two mirrors at the ends of short steps: what is lost with the last ones is only looked at again."""
AGAIN = 30.0
"""Seconds until a bucket that failed is asked again."""

_LIVING = "NodePool"
"""What is mirrored of the manifest's objects: NodePools hold no secret, and their status goes on changing where they
come from."""

Lines = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class MirroredJournal:
    """A journal in the bucket. `data` are its bytes; `modified` is in seconds since the epoch, None where not asked."""

    prefix: str
    data: bytes
    etag: str
    modified: float | None = None

    @property
    def story(self) -> JournalState:
        return parse_journal(self.data, f"{self.prefix}/{FILE_NAME} in the bucket")


def fetch(bucket: Bucket, prefix: str) -> MirroredJournal | None:
    """The mirror of one backup. `prefix` is its folder in the bucket. Raises AwsError."""
    key = f"{prefix}/{FILE_NAME}"
    head = bucket.head(key)
    return None if head is None else MirroredJournal(prefix, bucket.get(key), head.etag)


def newest(bucket: Bucket, namespace: str, name: str, backup_ids: Collection[str] = ()) -> MirroredJournal | None:
    """The mirror that was written last: of these backups, or of all of the hosted cluster where none is named. Raises
    AwsError."""
    root = bucket_prefix(namespace, name)
    journals = [
        item
        for item in bucket.list(root)
        if (parts := item.key.removeprefix(root).split("/"))[1:] == [FILE_NAME]
        and (not backup_ids or parts[0] in backup_ids)
    ]
    if not journals:
        return None
    last = max(journals, key=lambda item: (item.modified, item.key))
    found = fetch(bucket, last.key.removesuffix(f"/{FILE_NAME}"))
    return found and replace(found, modified=last.modified)


def reconciled(ours: Lines, theirs: Lines, path: object) -> Lines:
    """The journal that goes on of two that begin alike. What one has alone may be dropped where nothing in it was
    remembered and acted upon: the next look at the world settles it. Raises JournalError where both went on."""
    common = next((n for n, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
    if common is None:
        return ours if len(ours) >= len(theirs) else theirs
    if not _was_acted_upon(ours[common:]):
        return theirs
    if not _was_acted_upon(theirs[common:]):
        return ours
    raise JournalError(
        path=path,
        reason=f"after line {common} this journal and its mirror in the bucket tell different things: two machines "
        "went on without knowing of each other",
        left="Nothing of the hosted cluster was changed by this command.",
        todo="Find the folder of the machine that went on last, and name it with --backup.",
    )


def _was_acted_upon(tail: Lines) -> bool:
    """A remembered value is in the mirror before anything follows it, unless the bucket failed."""
    kinds = [line.get("line") == "remember" for line in tail]
    return any(remembered and not all(kinds[place:]) for place, remembered in enumerate(kinds))


def _living(archive: Archive) -> tuple[Entry, ...]:
    manifest = read_manifest(archive)
    return manifest.of_kind(_LIVING) if manifest else ()


@dataclass(slots=True)
class Mirror:
    """The mirror of one journal and of the manifest beside it. `prefix` is the backup's folder in the bucket."""

    bucket: Bucket
    prefix: str
    journal: Mirrored
    archive: Archive
    clock: Clock
    tell: Callable[[Progress], None]
    announced: str = ""  # the step whose actions are announced here before they are carried out
    _etag: str | None = field(default=None, init=False)
    _sent: bytes = field(default=b"", init=False)
    _sent_at: float = field(default=float("-inf"), init=False)
    _manifest: bytes | None = field(default=None, init=False)
    _files: dict[str, str] = field(default_factory=dict, init=False)  # sha256 of those sent
    _failed_at: float | None = field(default=None, init=False)
    _begun: frozenset[str] = field(default=frozenset(), init=False)  # the steps that it tells of

    @property
    def key(self) -> str:
        return f"{self.prefix}/{FILE_NAME}"

    @property
    def is_failing(self) -> bool:
        """Whether the bucket lacks what the journal has, because it fails."""
        return self._failed_at is not None

    def read(self) -> MirroredJournal | None:
        """What is there, which may be written over from now on. Raises AwsError."""
        found = fetch(self.bucket, self.prefix)
        self._etag = found.etag if found else None
        return found

    def fetch_folder(self) -> None:
        """The manifest and the files mirrored with it, into the folder. Nothing is written where the manifest is not
        to be believed. Raises AwsError, ArchiveError."""
        where = f"s3://{self.bucket.name}/{self.prefix}/{FOLDER}"
        data = self._folder(MANIFEST)
        if data is None:
            return
        manifest = parse_manifest(data, where)
        check_manifest(manifest, key_prefix=self.prefix, bucket=self.bucket.name, folder=where)
        found = {MANIFEST: data}
        for entry in manifest.of_kind(_LIVING):
            data = self._folder(entry.file)
            if data is not None and sha256_of(data) == entry.sha256:
                found[entry.file] = data
        try:
            texts = {path: data.decode() for path, data in found.items()}
        except UnicodeDecodeError as error:
            raise ArchiveError(folder=where, reason=f"a file of it is no text ({error.reason})") from error
        for path, text in texts.items():
            self.archive.write(path, text)

    def _folder(self, path: str) -> bytes | None:
        key = f"{self.prefix}/{FOLDER}{path}"
        return self.bucket.get(key) if self.bucket.head(key) else None

    def is_awaited(self, step: str, *, undoable: bool) -> bool:
        """Whether it has to tell of this step before that acts: whoever calls off elsewhere undoes what it tells of."""
        return step == self.announced or (undoable and step not in self._begun)

    def send_in_time(self) -> None:
        """Where the manifest is new, or the mirror is some seconds old."""
        if self.archive.read(MANIFEST) != self._manifest or self.clock.now() - self._sent_at >= OFTEN:
            self.send()

    def send(self) -> None:
        """The whole journal, the manifest first. A bucket that fails is told once. Raises JournalError where somebody
        else wrote the mirror meanwhile."""
        now = self.clock.now()
        if self._failed_at is not None and now - self._failed_at < AGAIN:
            return
        try:
            self._send_manifest()
            self._send_journal()
        except AwsError as error:
            if self._failed_at is None:
                text = f"the bucket has no copy of the journal for now, so no other machine could go on: {error.what}"
                self.tell(Progress("again", "mirror", text))
            self._failed_at = now
            if isinstance(error, BucketRefused):
                self._etag = None  # somebody may have deleted it
            return
        if self._failed_at is not None:
            self.tell(Progress("act", "mirror", "the bucket has a copy of the journal again"))
        self._failed_at, self._sent_at, self._begun = None, now, self.journal.story.memory.begun

    def _send_manifest(self) -> None:
        manifest = self.archive.read(MANIFEST)
        if manifest is None or manifest == self._manifest:
            return
        for entry in _living(self.archive):
            data = self.archive.read(entry.file)
            if data is not None and self._files.get(entry.file) != entry.sha256:
                self.bucket.put(f"{self.prefix}/{FOLDER}{entry.file}", data, metadata={})
                self._files[entry.file] = entry.sha256
        self.bucket.put(f"{self.prefix}/{FOLDER}{MANIFEST}", manifest, metadata={})
        self._manifest = manifest

    def _send_journal(self) -> None:
        data = self.journal.data()
        if data == self._sent:
            return
        try:
            self._put(data)
        except AwsConflict:
            self._must_be_ours()
            self._put(data)
        self._sent = data

    def _put(self, data: bytes) -> None:
        absent = self._etag is None
        self._etag = self.bucket.put(self.key, data, metadata={}, if_absent=absent, if_etag=self._etag)

    def _must_be_ours(self) -> None:
        """What is there is a beginning of our journal: our own, whose answer was lost."""
        found = self.read()
        lines = parse(found.data) if found else []
        if lines != list(self.journal.story.lines[: len(lines)]):
            raise JournalError(
                path=f"s3://{self.bucket.name}/{self.key}",
                reason="another machine went on with this relocation and wrote its mirror",
                left="Nothing was begun after that; what was done so far stays as it is.",
                todo=f"Look with `hcp-dr status` who is at work; when nobody is, run {RESUME}.",
            )
