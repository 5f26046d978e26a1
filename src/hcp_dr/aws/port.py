"""The AWS services that the product uses: one bucket, one hosted zone, the instances of one cluster.

Every method raises only classes of `hcp_dr.errors`: the adapters translate errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the bucket, from HEAD. `metadata` keys are lower case; `size` is in bytes; `modified` is the time of
    the write, in whole seconds since the epoch by the bucket's clock, None if unknown."""

    key: str
    size: int
    metadata: Mapping[str, str]
    etag: str
    encryption: str | None = None
    modified: float | None = None


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object of the bucket, from a list. `size` is in bytes, `modified` in seconds since the epoch."""

    key: str
    size: int
    modified: float


Encryption = Literal["AES256", "aws:kms", "aws:kms:dsse"]
"""S3's names for encryption at rest: with S3's own keys, or with the bucket's KMS key."""
MIN_PART_BYTES = 5 * 1024**2
MAX_PART_BYTES = 5 * 1024**3
MAX_PARTS = 10_000
"""S3's limits of a multipart upload: the last part may be smaller. The limit of a single PUT is the same as of a
part."""


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part of an unfinished upload. `number` counts from 1, `size` is in bytes."""

    number: int
    size: int
    etag: str
    sha256_hex: str


class Bucket(Protocol):
    """One S3 bucket. Writes request the encryption of the settings; `head` shows the encryption that S3 applied.

    This process writes an object with `put`, another process with a URL of `presign_put`. A large object is sent in
    parts: `begin_upload`, a URL of `presign_part` for each part, `complete_upload`. To continue after a crash, find the
    upload with `unfinished` and its parts with `parts`. The object does not exist before the upload is complete.
    """

    @property
    def name(self) -> str: ...

    @property
    def region(self) -> str:
        """The bucket's own region, or the configured region if an endpoint is configured."""
        ...

    @property
    def encryption(self) -> Encryption | None:
        """The encryption requested with each write; None uses the bucket's default."""
        ...

    def head(self, key: str) -> StoredObject | None:
        """None if the object does not exist."""
        ...

    def list(self, prefix: str) -> tuple[ListedObject, ...]:
        """Every object with this prefix, by key; the objects of all pages."""
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
        """Write an object and return its ETag. Raises AwsConflict if the object exists (`if_absent`), or if its ETag
        is not `if_etag`."""
        ...

    def get(self, key: str, *, first_bytes: int | None = None) -> bytes: ...

    def read_elsewhere(self, bucket: str, key: str, *, first_bytes: int) -> bytes | None:
        """The first bytes of an object in another bucket, with the same credentials; None if the object does not exist.
        Raises AwsDenied instead if the credentials may not list that bucket."""
        ...

    def get_to_file(self, key: str, path: Path) -> None: ...

    def stream(self, key: str) -> Iterator[bytes]:
        """The object in chunks of at most a few megabytes."""
        ...

    def copy(self, source: str, key: str, *, metadata: Mapping[str, str], if_etag: str) -> None:
        """Copy within the bucket, in S3, with this metadata instead of the source's; the object appears whole or not at
        all. More than MAX_PART_BYTES are copied in parts, and a crash leaves an unfinished upload. Raises AwsConflict
        if the source's ETag is no longer `if_etag`."""
        ...

    def delete(self, key: str) -> None: ...

    def presign_put(
        self, key: str, *, seconds: int, sha256_hex: str, metadata: Mapping[str, str], if_absent: bool = False
    ) -> tuple[str, Mapping[str, str]]:
        """A URL for a PUT, and the signed headers that the PUT must send. The URL is a secret until it expires. With
        `if_absent` the bucket answers 412 if the object exists."""
        ...

    def presign_get(self, key: str, *, seconds: int) -> str:
        """A URL for GET, a secret until it expires."""
        ...

    def size_behind(self, url: str) -> int:
        """The size in bytes of the object of a presigned URL, from a GET of the first byte without credentials. Raises
        BucketRefused if the URL is expired or the object is absent, AwsDenied if the URL's keys or session are invalid.
        """
        ...

    def begin_upload(self, key: str, *, metadata: Mapping[str, str]) -> str:
        """The id of a new multipart upload. The upload costs storage until it is completed or aborted."""
        ...

    def unfinished(self, key: str) -> tuple[str, ...]:
        """The ids of the uploads to this key that are neither completed nor aborted, the oldest first."""
        ...

    def presign_part(
        self, key: str, upload_id: str, number: int, *, seconds: int, sha256_hex: str
    ) -> tuple[str, Mapping[str, str]]:
        """As `presign_put`, for one part. A part sent again replaces the earlier part with the same number."""
        ...

    def parts(self, key: str, upload_id: str) -> tuple[UploadedPart, ...] | None:
        """The parts that S3 has, by number; None if the upload does not exist or has ended."""
        ...

    def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[UploadedPart], *, if_absent: bool = False
    ) -> None:
        """Make the object from these parts, in order, and discard other parts of the upload. Raises AwsConflict if the
        object exists (`if_absent`); then the upload stays."""
        ...

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Discard the upload's parts; no error if the upload does not exist."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """One record set. `name` is lower case without the trailing dot; TXT values include their quotes, as in Route53.
    Alias records have `alias` (zone id, name, evaluate health) instead of ttl and values."""

    name: str
    type: str
    ttl: int | None = None
    values: tuple[str, ...] = ()
    alias: tuple[str, str, bool] | None = None
    routing: str = ""  # the fields of a routing policy, such as Weight and SetIdentifier, and a health check, as JSON

    @property
    def place(self) -> tuple[str, str, str]:
        """What tells record sets of one zone apart."""
        return (self.name, self.type, self.routing)


@dataclass(frozen=True, slots=True)
class RecordChange:
    action: Literal["CREATE", "DELETE", "UPSERT"]
    record: Record


class HostedZone(Protocol):
    """One Route53 hosted zone."""

    @property
    def zone_id(self) -> str: ...

    def domain(self) -> str:
        """The zone's name without the trailing dot."""
        ...

    def records(self) -> tuple[Record, ...]:
        """The record sets of all pages."""
        ...

    def change(self, changes: Sequence[RecordChange]) -> None:
        """Apply one atomic change batch. Raises AwsConflict if the records differ from those that the changes expect,
        and AwsError without a request if the batch is too large for Route53."""
        ...


@dataclass(frozen=True, slots=True)
class Instance:
    """One EC2 instance. `state` is EC2's: pending, running, shutting-down, terminated, stopping, stopped."""

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
        """The instances in the order of the ids, without unknown ids. The protection costs one call for each
        instance."""
        ...

    def protect(self, instance_id: str, *, on: bool) -> None:
        """Set or clear DisableApiTermination."""
        ...


class Identity(Protocol):
    """The identity of the credentials, for S3 and for all services without credentials of their own."""

    def arn(self) -> str: ...

    def others(self) -> Mapping[str, Identity]:
        """The identities of the services that have credentials of their own, by the name of the service."""
        ...

    def lasts(self, seconds: int) -> bool | None:
        """Whether a signature made now stays valid for this time. A user's keys do not expire; a session does. None if
        the session's end is unknown."""
        ...
