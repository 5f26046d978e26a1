"""What the product asks of AWS: one bucket, one hosted zone, the instances of one cluster.

Every method raises the classes of `hcp_dr.errors` and no other: the adapters map.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the bucket as HEAD shows it. `metadata` keys are lower case; `size` in bytes; `modified` is when it
    was written, in whole seconds since the epoch by the bucket's clock, None where that is not known."""

    key: str
    size: int
    metadata: Mapping[str, str]
    etag: str
    encryption: str | None = None
    modified: float | None = None


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object of the bucket as a listing shows it. `size` in bytes, `modified` in seconds since the epoch."""

    key: str
    size: int
    modified: float


Encryption = Literal["AES256", "aws:kms", "aws:kms:dsse"]
"""S3's words for encryption at rest: with its own keys, or with the key of KMS that the bucket names."""
SMALLEST_PART = 5 * 1024**2
LARGEST_PART = 5 * 1024**3
MOST_PARTS = 10_000
"""S3's limits of a multipart upload, in bytes: the last part may be smaller. One PUT takes as much as one part."""


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part of an unfinished upload. `number` counts from 1, `size` is in bytes."""

    number: int
    size: int
    etag: str
    sha256_hex: str


class Bucket(Protocol):
    """One S3 bucket. What is written is encrypted as the settings ask; `head` tells what became of it.

    An object is sent by hand with `put`, by somebody else with `presign_put`, or, when it is large, in parts:
    `begin_upload`, an URL of `presign_part` for each part, `complete_upload`. Whoever goes on after a crash finds the
    upload with `unfinished` and what arrived with `parts`. Nothing is at the key before it is complete.
    """

    @property
    def name(self) -> str: ...

    @property
    def encryption(self) -> Encryption | None:
        """What is asked for with everything that is written; None leaves it to the bucket."""
        ...

    def head(self, key: str) -> StoredObject | None:
        """None where there is no such object."""
        ...

    def list(self, prefix: str) -> tuple[ListedObject, ...]:
        """Every object whose key begins so, by key; of all pages."""
        ...

    def put(
        self,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str],
        if_absent: bool = False,
        if_etag: str | None = None,
    ) -> str:
        """The new object's ETag. Raises AwsConflict where there is an object already (`if_absent`), or another than
        that with `if_etag`."""
        ...

    def get(self, key: str, *, first_bytes: int | None = None) -> bytes: ...

    def read_elsewhere(self, bucket: str, key: str, *, first_bytes: int) -> bytes | None:
        """The beginning of an object in another bucket, with the same credentials; None where there is none. Whoever
        may not list that bucket is told AwsDenied instead."""
        ...

    def get_to_file(self, key: str, path: Path) -> None: ...

    def stream(self, key: str) -> Iterator[bytes]:
        """The object in pieces of at most a few megabytes, so that a large one needs no memory."""
        ...

    def copy(self, source: str, key: str, *, metadata: Mapping[str, str], if_etag: str) -> None:
        """Within the bucket, without the bytes coming here; whole or not at all, with this metadata instead of the
        source's. At most LARGEST_PART bytes: S3 refuses more. Raises AwsConflict where the source is no longer the
        object with `if_etag`."""
        ...

    def delete(self, key: str) -> None: ...

    def presign_put(
        self, key: str, *, seconds: int, sha256_hex: str, metadata: Mapping[str, str], if_absent: bool = False
    ) -> tuple[str, Mapping[str, str]]:
        """An URL for a PUT, and the headers that the PUT must carry (they are signed). A secret while it lives. With
        `if_absent` the bucket answers 412 where there is an object already."""
        ...

    def presign_get(self, key: str, *, seconds: int) -> str:
        """An URL for GET. A secret while it lives."""
        ...

    def size_behind(self, url: str) -> int:
        """How many bytes the object behind a presigned URL has, by a GET of its first byte without credentials. Raises
        BucketRefused where the URL is expired or leads to nothing, AwsDenied where its keys or session do not hold."""
        ...

    def begin_upload(self, key: str, *, metadata: Mapping[str, str]) -> str:
        """The id of a new multipart upload. It costs storage until it is completed or aborted."""
        ...

    def unfinished(self, key: str) -> tuple[str, ...]:
        """The ids of the uploads to this key that were begun and neither completed nor aborted, the oldest first."""
        ...

    def presign_part(
        self, key: str, upload_id: str, number: int, *, seconds: int, sha256_hex: str
    ) -> tuple[str, Mapping[str, str]]:
        """As `presign_put`, for one part. Sent again, a part replaces the one with its number."""
        ...

    def parts(self, key: str, upload_id: str) -> tuple[UploadedPart, ...] | None:
        """What has arrived, by number; None where there is no such upload, or no more."""
        ...

    def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[UploadedPart], *, if_absent: bool = False
    ) -> None:
        """The object from these parts, in order; others of the upload are thrown away. Raises AwsConflict where
        there is an object already (`if_absent`), and the upload stays."""
        ...

    def abort_upload(self, key: str, upload_id: str) -> None:
        """The parts are thrown away; nothing where there is no such upload."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """One record set. `name` is lower case without the last dot; TXT values carry their quotes as Route53 has them.
    Alias records have `alias` (zone id, name, evaluate health) instead of ttl and values."""

    name: str
    type: str
    ttl: int | None = None
    values: tuple[str, ...] = ()
    alias: tuple[str, str, bool] | None = None


@dataclass(frozen=True, slots=True)
class RecordChange:
    action: Literal["CREATE", "DELETE", "UPSERT"]
    record: Record


class HostedZone(Protocol):
    """One Route53 hosted zone."""

    @property
    def zone_id(self) -> str: ...

    def domain(self) -> str:
        """The zone's name without the last dot."""
        ...

    def records(self) -> tuple[Record, ...]:
        """All record sets of all pages."""
        ...

    def change(self, changes: Sequence[RecordChange]) -> None:
        """One atomic change batch. Raises AwsConflict where the records are no longer as the changes suppose, and
        AwsError without asking where Route53 does not take so much at once."""
        ...


@dataclass(frozen=True, slots=True)
class Instance:
    """One EC2 instance. `state` is EC2's word: pending, running, shutting-down, terminated, stopping, stopped."""

    instance_id: str
    state: str
    spot: bool
    termination_protected: bool
    tags: Mapping[str, str]


class Instances(Protocol):
    """The EC2 instances of one region."""

    @property
    def region(self) -> str: ...

    def describe(self, instance_ids: Sequence[str]) -> tuple[Instance, ...]:
        """In the order asked; an unknown id is left out. Asking for the protection of each costs one call each."""
        ...

    def protect(self, instance_id: str, *, on: bool) -> None:
        """Set or clear DisableApiTermination."""
        ...


class Identity(Protocol):
    """Whose credentials these are."""

    def arn(self) -> str: ...

    def lasts(self, seconds: int) -> bool | None:
        """Whether what is signed now holds for so long. Keys of a user have no end; a session ends. None where the
        session does not say when."""
        ...
