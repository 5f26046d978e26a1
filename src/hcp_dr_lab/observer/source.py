"""The observer's ports to a region.

One source reads the real region (`region.py`), another the region in memory (`tabletop.py`). Readings and rules are the
same for both.

Every method raises the region's errors if reading fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from hcp_dr.kube.port import Kubernetes
from hcp_dr_lab.ground.layout import HOSTED_DOMAIN


@dataclass(frozen=True, slots=True)
class Record:
    """One record set of the zone; `name` without the domain."""

    name: str
    kind: str
    value: str

    @property
    def full_name(self) -> str:
        return f"{self.name}.{HOSTED_DOMAIN}."


class Cloud(Protocol):
    """AWS, for the observer's readings, and for its sentinels under other owners."""

    def instances(self, infra_id: str) -> Mapping[str, str]:
        """Return the state of every EC2 instance of a hosted cluster, by instance ID."""
        ...

    def is_protected(self, instance_id: str) -> bool:
        """Return whether EC2 would refuse to terminate the instance."""
        ...

    def security_groups(self, infra_id: str) -> Iterator[tuple[str, Sequence[Any]]]:
        """Return ID and rules of every security group of a hosted cluster."""
        ...

    def objects(self, bucket: str, prefix: str = "") -> Iterator[tuple[str, str]]:
        """Return keys (as bucket/key) with fingerprints; nothing for a missing bucket."""
        ...

    def put_object(self, bucket: str, key: str, body: bytes) -> None: ...

    def delete_object(self, bucket: str, key: str) -> None: ...

    def records(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Return all records of the zone: name, type, values."""
        ...

    def change(self, action: Literal["UPSERT", "DELETE"], records: Sequence[Record]) -> None:
        """Apply all changes, or none."""
        ...


class Source(Protocol):
    """A region with a hosted cluster, and optionally a neighbour."""

    @property
    def cloud(self) -> Cloud: ...

    @property
    def sides(self) -> Sequence[Kubernetes]:
        """Both management clusters."""
        ...

    @property
    def hosted(self) -> Kubernetes:
        """The hosted cluster, by the API's public name."""
        ...

    @property
    def neighbour(self) -> Kubernetes | None:
        """The neighbour, by the API's public name."""
        ...

    def now(self) -> float:
        """Seconds since 1970, on the common clock of all evidence."""
        ...

    def boot_ids(self, infra_id: str) -> Mapping[str, str]:
        """Return the boot IDs of a hosted cluster's workers in the hypervisor, by worker name."""
        ...
