"""The content of a Lease: its holder, the relocation, and how far that has come. The times are the holder's.

By its annotations another machine finds the relocation: the backup id, the last run that wrote to the journal, and the
last announced step.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from hcp_dr.engine.bucket_lease import Leases
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import LEASE
from hcp_dr.model import RELOCATION_ANNOTATION
from hcp_dr.objects.reading import annotations_of

NAMESPACE = "default"
DURATION = 60
"""Seconds without renewal before another client may take a Lease."""

_LONGEST_NAME = 63
HOSTED_CLUSTER_ANNOTATION = "hcp-dr.openshift.io/hosted-cluster"
SIDE_ANNOTATION = "hcp-dr.openshift.io/side"
PROCESS_ANNOTATION = "hcp-dr.openshift.io/process"
LAST_RUN_ANNOTATION = "hcp-dr.openshift.io/last-run"
REACHED_ANNOTATION = "hcp-dr.openshift.io/reached"
"""The last step recorded in the Leases before it acted: missing in a journal that was rolled back."""
MIRRORED_ANNOTATION = "hcp-dr.openshift.io/mirrored"
"""The number and digest of the journal's lines in the bucket: an older journal there was rolled back."""


def lease_name(namespace: str, name: str) -> str:
    """The name of a hosted cluster's Leases. A long name is cut, and made unique by its hash."""
    full_name = f"hcp-dr-{namespace}-{name}"
    if len(full_name) <= _LONGEST_NAME:
        return full_name
    digest = hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:10]
    return f"{full_name[: _LONGEST_NAME - 11].rstrip('-.')}-{digest}"


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """A Lease as read. `holder` is "" for a free Lease; times are the holder's own, as RFC 3339."""

    holder: str
    process: str
    since: str
    renewed: str
    duration: float
    transitions: int
    version: str
    relocation: str  # the backup id of the relocation of the last holder
    last_run: str  # the last holder that wrote to the journal
    side: str
    reached: str = ""  # the last announced step
    mirrored: str = ""  # the mark of the last journal that was sent to the bucket

    @property
    def renewed_at(self) -> float | None:
        """Seconds since the epoch, by the holder's clock: for display, never for a decision."""
        try:
            return datetime.fromisoformat(self.renewed).timestamp()
        except ValueError:
            return None

    def renewed_within(self, now: float) -> bool:
        """Whether the last renewal is younger than the duration, if both clocks are right: for display only."""
        at = self.renewed_at
        return at is not None and now - at < DURATION

    @classmethod
    def of(cls, lease: Object) -> LeaseStatus:
        spec, annotations = lease.get("spec") or {}, annotations_of(lease)
        return cls(
            holder=str(spec.get("holderIdentity") or ""),
            process=annotations.get(PROCESS_ANNOTATION, ""),
            since=str(spec.get("acquireTime") or ""),
            renewed=str(spec.get("renewTime") or ""),
            duration=float(spec.get("leaseDurationSeconds") or DURATION),
            transitions=int(spec.get("leaseTransitions") or 0),
            version=str(lease["metadata"].get("resourceVersion", "")),
            relocation=annotations.get(RELOCATION_ANNOTATION, ""),
            last_run=annotations.get(LAST_RUN_ANNOTATION, ""),
            side=annotations.get(SIDE_ANNOTATION, ""),
            reached=annotations.get(REACHED_ANNOTATION, ""),
            mirrored=annotations.get(MIRRORED_ANNOTATION, ""),
        )


def stamp(at: float) -> str:
    """Seconds since the epoch in the time format of a Lease."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_lease_status(cluster: Leases, namespace: str, name: str) -> LeaseStatus | None:
    """The Lease of a hosted cluster on one management cluster; None if it never had a holder."""
    lease = cluster.find(LEASE, lease_name(namespace, name), NAMESPACE)
    return None if lease is None else LeaseStatus.of(lease)
