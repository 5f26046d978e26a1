"""What the world tells of a hosted cluster's relocation to somebody who has no folder: both Leases and the mirror."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from hcp_dr.aws.port import Bucket
from hcp_dr.engine.lease_status import LeaseStatus, read_lease_status
from hcp_dr.engine.mirror import MirroredJournal, newest
from hcp_dr.errors import HcpDrError, JournalError, NothingToResume
from hcp_dr.kube.port import Kubernetes

Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class RemoteState:
    """An error stands where something could not be asked, None where nothing is there."""

    source: LeaseStatus | HcpDrError | None
    destination: LeaseStatus | HcpDrError | None
    mirror: MirroredJournal | HcpDrError | None

    @property
    def unasked(self) -> dict[str, HcpDrError]:
        """By what could not be asked."""
        words = {"source": self.source, "destination": self.destination, "bucket": self.mirror}
        return {word: told for word, told in words.items() if isinstance(told, HcpDrError)}

    @property
    def sightings(self) -> tuple[LeaseStatus, ...]:
        return tuple(seen for seen in (self.source, self.destination) if isinstance(seen, LeaseStatus))

    def journal(self, folder: object) -> MirroredJournal:
        """Of the relocation that was at work last; `folder` is the one here, which has none. Raises NothingToResume,
        JournalError, the error of the bucket."""
        if isinstance(self.mirror, HcpDrError):
            raise self.mirror
        if self.mirror is not None:
            return self.mirror
        runs = ", ".join(sorted({seen.last_run for seen in self.sightings if seen.last_run}))
        if runs:
            raise JournalError(
                path="in the bucket",
                reason=f"{runs} was at work, and its journal was never mirrored",
                left="Nothing of the hosted cluster was changed by this command.",
                todo="Go on where it ran, or bring its folder here and name it with --backup.",
            )
        raise NothingToResume(reason=f"{folder} holds no journal, and none of this hosted cluster is in the bucket")


def read_remote_state(
    source: Callable[[], Kubernetes],
    destination: Callable[[], Kubernetes],
    bucket: Callable[[], Bucket],
    *,
    namespace: str,
    name: str,
    backup_id: str | None = None,
) -> RemoteState:
    """Of the ports are given ways to have them, since one may not even open. `backup_id` is for somebody who knows
    which relocation he means; else it is the one that the Leases name, or the last in the bucket."""
    seen = [_value_or_error(partial(_read_lease, each, namespace, name)) for each in (source, destination)]
    named = {each.relocation for each in seen if isinstance(each, LeaseStatus) and each.last_run}
    ids = {backup_id} if backup_id else named
    return RemoteState(seen[0], seen[1], _value_or_error(lambda: newest(bucket(), namespace, name, ids)))


def _read_lease(cluster: Callable[[], Kubernetes], namespace: str, name: str) -> LeaseStatus | None:
    return read_lease_status(cluster(), namespace, name)


def _value_or_error(ask: Callable[[], Told]) -> Told | HcpDrError:
    try:
        return ask()
    except HcpDrError as error:
        return error
