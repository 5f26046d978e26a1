"""What the product asks of AWS: one bucket, one hosted zone, the instances of one cluster.

Every method raises the classes of `hcp_dr.errors` and no other: the adapters map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of the bucket as HEAD shows it. `metadata` keys are lower case; `size` in bytes."""

    key: str
    size: int
    metadata: Mapping[str, str]
    etag: str
    encryption: str | None = None


class Bucket(Protocol):
    """One S3 bucket."""

    @property
    def name(self) -> str: ...

    def head(self, key: str) -> StoredObject | None:
        """None where there is no such object."""
        ...

    def put(self, key: str, body: bytes, *, metadata: Mapping[str, str]) -> None: ...

    def get(self, key: str, *, first_bytes: int | None = None) -> bytes: ...

    def get_to_file(self, key: str, path: Path) -> None: ...

    def delete(self, key: str) -> None: ...

    def presign_put(
        self, key: str, *, seconds: int, sha256_hex: str, metadata: Mapping[str, str]
    ) -> tuple[str, Mapping[str, str]]:
        """An URL for one PUT, and the headers that the PUT must carry (they are signed). A secret while it lives."""
        ...

    def presign_get(self, key: str, *, seconds: int) -> str:
        """An URL for GET. A secret while it lives."""
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
        """One atomic change batch."""
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
