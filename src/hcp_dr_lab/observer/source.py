"""What the observer sees through: ports to a region, whichever it is.

One source asks the real region (`region.py`), one looks at the region in memory (`tabletop.py`). What is looked at, and
how it is judged, is the same for both.

Every method raises what its region raises when it cannot be read now.
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
    """AWS, as the observer reads it, and where it lays down things under other owners."""

    def instances(self, infra_id: str) -> Mapping[str, str]:
        """The state of each EC2 instance of a hosted cluster, by its ID."""
        ...

    def is_protected(self, instance_id: str) -> bool:
        """Whether EC2 would refuse to terminate it."""
        ...

    def security_groups(self, infra_id: str) -> Iterator[tuple[str, Sequence[Any]]]:
        """ID and rules of each security group of a hosted cluster."""
        ...

    def objects(self, bucket: str, prefix: str = "") -> Iterator[tuple[str, str]]:
        """Keys, as bucket/key, and a fingerprint of each; nothing for a bucket that is not there."""
        ...

    def put_object(self, bucket: str, key: str, body: bytes) -> None: ...

    def delete_object(self, bucket: str, key: str) -> None: ...

    def records(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """All records of the zone: name, type, values."""
        ...

    def change(self, action: Literal["UPSERT", "DELETE"], records: Sequence[Record]) -> None:
        """All of them, or none."""
        ...


class Source(Protocol):
    """A region with a hosted cluster in it, and perhaps a neighbour of that one."""

    @property
    def cloud(self) -> Cloud: ...

    @property
    def sides(self) -> Sequence[Kubernetes]:
        """Both management clusters."""
        ...

    @property
    def hosted(self) -> Kubernetes:
        """The hosted cluster by its API's public name."""
        ...

    @property
    def neighbour(self) -> Kubernetes | None:
        """The neighbour, likewise."""
        ...

    def now(self) -> float:
        """Seconds since 1970, on the one clock of all evidence."""
        ...

    def boot_ids(self, infra_id: str) -> Mapping[str, str]:
        """The boot ID of each worker of a hosted cluster by its name, as the hypervisor tells."""
        ...
