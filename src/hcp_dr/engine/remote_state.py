"""The state of a hosted cluster's relocation for a client without its folder: both Leases and the mirror. A journal in
the bucket counts only if hcp-dr wrote it, and if it has all lines that the Leases record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from hcp_dr.aws.port import Bucket, ListedObject
from hcp_dr.engine.authenticity import read_keys
from hcp_dr.engine.lease_status import LeaseStatus, read_lease_status
from hcp_dr.engine.mirror import MirroredJournal, find_newest, list_mirrors, outdated
from hcp_dr.errors import HcpDrError, JournalError, NothingToResume
from hcp_dr.kube.port import Kubernetes
from hcp_dr.objects.archive import Archive

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class RemoteState:
    """An error in place of a value that could not be read, None in place of a missing one."""

    source: LeaseStatus | HcpDrError | None
    destination: LeaseStatus | HcpDrError | None
    mirror: MirroredJournal | HcpDrError | None
    unproven: MirroredJournal | None = None
    """A journal of the bucket while no key exists: an older version of hcp-dr may have written it, or anybody."""

    @property
    def unread(self) -> dict[str, HcpDrError]:
        """The errors, by the place that could not be read."""
        values = {"source": self.source, "destination": self.destination, "bucket": self.mirror}
        return {place: value for place, value in values.items() if isinstance(value, HcpDrError)}

    @property
    def statuses(self) -> tuple[LeaseStatus, ...]:
        return tuple(status for status in (self.source, self.destination) if isinstance(status, LeaseStatus))

    def journal(self, folder: object) -> MirroredJournal:
        """The journal of the last relocation at work; `folder` is the local one, which has no journal. Raises
        NothingToResume, JournalError, the error of the bucket."""
        if isinstance(self.mirror, HcpDrError):
            raise self.mirror
        if self.mirror is not None:
            return self.mirror
        runs = ", ".join(sorted({status.last_run for status in self.statuses if status.last_run}))
        if runs:
            raise JournalError(
                path="in the bucket",
                reason=f"{runs} was at work, and its journal was never mirrored",
                left="Nothing of the hosted cluster was changed by this command.",
                todo="Resume on the machine where it ran, or copy its folder here and pass it with --backup.",
            )
        raise NothingToResume(reason=f"{folder} holds no journal, and the bucket has none for this hosted cluster")


def read_remote_state(
    source: Callable[[], Kubernetes],
    destination: Callable[[], Kubernetes],
    bucket: Callable[[], Bucket],
    folder: Archive,
    *,
    namespace: str,
    name: str,
    backup_id: str | None = None,
) -> RemoteState:
    """Ports are passed as factories because opening one may fail. `backup_id` selects a relocation; by default it is
    the relocation named in the Leases, or the last in the bucket. Raises ArchiveError."""
    with ThreadPoolExecutor(3) as pool:  # all together: a peer that is dead takes all the time of a request
        asked = [
            pool.submit(_value_or_error, partial(_read_lease, each, namespace, name)) for each in (source, destination)
        ]
        listing = pool.submit(_value_or_error, partial(_list_mirrors, bucket, namespace, name))
    leases, listed = [each.result() for each in asked], listing.result()
    if isinstance(listed, HcpDrError):
        return RemoteState(leases[0], leases[1], listed)
    named = {each.relocation for each in leases if isinstance(each, LeaseStatus) and each.last_run}
    ids = {backup_id} if backup_id else named
    answering = [each for each, lease in zip((source, destination), leases, strict=True) if not _failed(lease)]
    keys = read_keys(folder, answering, namespace, name)
    keys = keys.with_problems(lease.what for lease in leases if isinstance(lease, HcpDrError))
    statuses = [each for each in leases if isinstance(each, LeaseStatus)]

    mirror = _value_or_error(partial(find_newest, *listed, keys, ids))
    if mirror is None or isinstance(mirror, HcpDrError):
        return RemoteState(leases[0], leases[1], mirror)
    unproven = None if keys.known or keys.problems else mirror
    return RemoteState(leases[0], leases[1], _value_or_error(partial(_check_current, mirror, statuses)), unproven)


def _failed(value: object) -> bool:
    return isinstance(value, HcpDrError)


def _check_current(mirrored: MirroredJournal, statuses: Sequence[LeaseStatus]) -> MirroredJournal:
    """Raises NotAuthentic, JournalError."""
    story = mirrored.story
    own = [each for each in statuses if each.relocation == mirrored.backup_id and each.mirrored]
    if not all(story.contains(each.mirrored) for each in own):
        raise outdated(mirrored.where)
    return mirrored


def _read_lease(cluster: Callable[[], Kubernetes], namespace: str, name: str) -> LeaseStatus | None:
    return read_lease_status(cluster(), namespace, name)


def _list_mirrors(bucket: Callable[[], Bucket], namespace: str, name: str) -> tuple[Bucket, tuple[ListedObject, ...]]:
    opened = bucket()
    return opened, list_mirrors(opened, namespace, name)


def _value_or_error(ask: Callable[[], Value]) -> Value | HcpDrError:
    try:
        return ask()
    except HcpDrError as error:
        return error
