"""One relocation at a time: a Lease on each management cluster, held by every command that writes.

A run takes a Lease without a holder, with a holder whose process is proven to be gone, or after no renewal for a whole
duration of our own clock; the clock of another machine is never trusted. The holder counts from the moment of its last
renewal request, and trusts that renewal for less than the duration, so that it stops before another client may begin.
Every change is conditional on the version last read. A Lease is released by clearing its holder, never deleted.

It is taken only on the management clusters of the case: on any other cluster it would exclude no other client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from hcp_dr.engine import peers
from hcp_dr.engine.bucket_lease import Leases
from hcp_dr.engine.lease_status import (
    DURATION,
    HOSTED_CLUSTER_ANNOTATION,
    LAST_RUN_ANNOTATION,
    MIRRORED_ANNOTATION,
    NAMESPACE,
    PROCESS_ANNOTATION,
    REACHED_ANNOTATION,
    SIDE_ANNOTATION,
    LeaseStatus,
    lease_name,
    read_lease_status,
    stamp,
)
from hcp_dr.engine.process import Process
from hcp_dr.engine.process import current as this_process
from hcp_dr.engine.process import is_gone as is_gone_here
from hcp_dr.engine.progress import Progress
from hcp_dr.engine.wait import FIRST_ANSWER_TIMEOUT, OBSERVE_INTERVAL, Clock, StopRequested
from hcp_dr.errors import (
    AlreadyExists,
    Conflict,
    HcpDrError,
    LeaseHeld,
    LeaseLost,
    NotFound,
    SettingsError,
    WrongCluster,
)
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import LEASE
from hcp_dr.model import RELOCATION_ANNOTATION, Case, Ports, Side

RENEW_INTERVAL = DURATION / 3
RETRY_INTERVAL = 5.0
TRUSTED_SECONDS = DURATION - 10.0
"""Seconds for which the holder trusts its last renewal; the rest of the duration is for requests still under way."""

Verdict = Literal["take", "ours", "wait", "alive"]


def decide(status: LeaseStatus | None, first: LeaseStatus | None, *, me: str, unchanged: float, gone: bool) -> Verdict:
    """`first` is the Lease when its holder was first seen, `unchanged` the seconds since then on our clock; `gone`: the
    holder's process is proven to be gone."""
    if status is None or not status.holder:
        return "take"
    if status.holder == me:
        return "ours"
    if gone:
        return "take"
    if first is not None and status.version != first.version:
        return "alive"
    return "take" if unchanged >= max(float(DURATION), status.duration) else "wait"


@dataclass(slots=True)
class _Held:
    """The Lease of one side, as known to this run. `word` is its name in errors. `version` is that of our last write,
    None while the Lease is not ours; `requested_at` is the time of that request, and `due` the time of the next."""

    side: Side
    cluster: Leases
    word: str
    version: str | None = None
    requested_at: float = 0.0
    due: float = 0.0
    first: LeaseStatus | None = None
    first_at: float = 0.0
    before: str | None = None  # the version seen before preflight; None if the Lease had a holder
    last_error: HcpDrError | None = None
    announced: str = ""  # by this run, as recorded in the Lease


@dataclass(slots=True)
class Lease:
    """Both Leases of one hosted cluster, for one run. `me` is this run's identity, unique for each run.

    `does_without` decides for a side whether the run may continue while that cluster does not answer.
    """

    ports: Ports
    case: Case
    clock: Clock
    tell: Callable[[Progress], None]
    is_stopped: Callable[[], bool] = lambda: False
    does_without: Callable[[Side], bool] = lambda _side: False
    process: Process = field(default_factory=this_process)
    is_gone: Callable[[str], bool] = is_gone_here
    in_place_of_source: Leases | None = None  # for a lost source
    me: str = field(init=False)
    last_runs: frozenset[str] = field(init=False, default=frozenset())
    marks: frozenset[str] = field(init=False, default=frozenset())  # of the journal in the bucket
    later_runs: frozenset[str] = field(init=False, default=frozenset())  # of another relocation, since this one's last
    _sides: tuple[_Held, ...] = field(init=False)
    _writer: str = field(init=False, default="")
    _announced_step: str = field(init=False, default="")
    _mirrored: str = field(init=False, default="")

    def __post_init__(self) -> None:
        run = self.ports.fresh_id()[:6]
        self.me = f"{self.process.who} pid {self.process.pid} run {run} backup {self.case.backup_id}"
        stand_in, ports = self.in_place_of_source, self.ports
        source = _Held("source", stand_in, "bucket, for the lost source") if stand_in else None
        self._sides = (
            source or _Held("source", ports.source, "source"),
            _Held("destination", ports.destination, "destination"),
        )

    @property
    def name(self) -> str:
        return lease_name(self.case.namespace, self.case.name)

    @property
    def _object(self) -> str:
        return f"Lease {NAMESPACE}/{self.name}"

    # Taking

    def record_versions(self) -> None:
        """Record the current Leases, so that `acquire` can report whether another client was at work since."""
        for lease in self._sides:
            with suppress(HcpDrError):  # preflight reports the error
                status = read_lease_status(lease.cluster, self.case.namespace, self.case.name)
                lease.before = None if status is not None and status.holder else status.version if status else ""

    @contextmanager
    def acquire(self) -> Iterator[bool]:
        """Inside, both Leases are ours; True if no other client held either since `record_versions`. Released at the
        end, also after an error, but not by a process that is killed. Raises LeaseHeld, StopRequested, the port's
        errors."""
        try:
            undisturbed = [self._acquire_one(lease) for lease in self._sides]
            yield all(undisturbed)
        except Exception:
            self._release()
            raise
        self._release()

    def _acquire_one(self, lease: _Held) -> bool:
        """Whether the Lease is unchanged since `record_versions`. Waits for at most one duration."""
        started = self.clock.now()
        while True:
            if self.is_stopped():
                raise StopRequested
            try:
                self._check_cluster(lease)
                status = read_lease_status(lease.cluster, self.case.namespace, self.case.name)
                if self._try_acquire(lease, status):
                    return (status.version if status else "") == lease.before
            except (Conflict, AlreadyExists, NotFound):
                continue  # another client was faster: read again
            except HcpDrError as error:
                if not error.passing:
                    raise
                if self.clock.now() - started >= FIRST_ANSWER_TIMEOUT:
                    if not self.does_without(lease.side):
                        raise
                    self._continue_without(lease, error)
                    return False
                self.tell(Progress("again", "lease", error.what))
            self._pause()

    def _check_cluster(self, lease: _Held) -> None:
        """Raises WrongCluster, the port's errors."""
        if lease.side == "destination" or self.in_place_of_source is None:
            peers.check_same_cluster(self.ports, self.case, lease.side)

    def _try_acquire(self, lease: _Held, status: LeaseStatus | None) -> bool:
        """Whether the Lease is ours now. Raises LeaseHeld, Conflict, AlreadyExists, NotFound."""
        verdict = self._decide(lease, status)
        if status is not None and verdict == "alive":
            since = status.since or "?"
            raise LeaseHeld(object=self._object, cluster=lease.word, holder=status.holder, since=since)
        if status is not None and verdict == "wait":
            text = (
                f"until {self._object} on the {lease.side} cluster is free; seen: held by {status.holder} "
                f"since {status.since or '?'}; hcp-dr takes it if the holder does not renew it for {DURATION} s"
            )
            self.tell(Progress("wait", "lease", text, self.clock.now() - lease.first_at))
            return False
        self._write(lease, status)
        return True

    def _decide(self, lease: _Held, status: LeaseStatus | None) -> Verdict:
        now = self.clock.now()
        if status is None or not status.holder:
            lease.first = None
        elif lease.first is None:
            lease.first, lease.first_at = status, now
        gone = status is not None and bool(status.process) and self.is_gone(status.process)
        return decide(status, lease.first, me=self.me, unchanged=now - lease.first_at, gone=gone)

    def _write(self, lease: _Held, status: LeaseStatus | None) -> None:
        """Take or renew the Lease, on condition that it is unchanged."""
        requested_at, now = self.clock.now(), self._time()
        spec: dict[str, Any] = {"holderIdentity": self.me, "leaseDurationSeconds": DURATION, "renewTime": now}
        if status is None or status.holder != self.me:
            spec |= {"acquireTime": now, "leaseTransitions": status.transitions + 1 if status else 0}
        annotations: dict[str, str | None] = {
            HOSTED_CLUSTER_ANNOTATION: f"{self.case.namespace}/{self.case.name}",
            RELOCATION_ANNOTATION: self.case.backup_id,
            SIDE_ANNOTATION: lease.side,
            PROCESS_ANNOTATION: self.process.mark,
        }
        annotations |= self._records
        metadata: dict[str, Any] = {"annotations": annotations}
        if status is None:
            metadata |= {"name": self.name, "namespace": NAMESPACE}
            body = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}
            written = lease.cluster.create(LEASE, body)
        else:
            if status.relocation != self.case.backup_id:
                of_another = (LAST_RUN_ANNOTATION, REACHED_ANNOTATION, MIRRORED_ANNOTATION)
                annotations |= {word: self._records.get(word) for word in of_another}
                if lease.cluster is not self.in_place_of_source:
                    self.later_runs |= {status.last_run} - {""}
            else:
                self.last_runs |= {status.last_run} - {""}
                if lease.cluster is not self.in_place_of_source:  # the bucket proves nothing about itself
                    self.marks |= {status.mirrored} - {""}
            written = self._patch(lease, status.version, {"metadata": metadata, "spec": spec})
        self._record_write(lease, written, requested_at)

    def _patch(self, lease: _Held, version: str, change: dict[str, Any]) -> Object:
        metadata = {**change.get("metadata", {}), "resourceVersion": version}
        return lease.cluster.patch(LEASE, self.name, NAMESPACE, {**change, "metadata": metadata})

    def _record_write(self, lease: _Held, written: Object, requested_at: float) -> None:
        status = LeaseStatus.of(written)
        lease.version, lease.announced = status.version, status.reached
        lease.requested_at, lease.due, lease.last_error, lease.first = (
            requested_at,
            requested_at + RENEW_INTERVAL,
            None,
            None,
        )

    def _continue_without(self, lease: _Held, error: HcpDrError) -> None:
        lease.due = self.clock.now() + RENEW_INTERVAL
        if lease.last_error is None:
            text = (
                f"continuing without the Lease of the {lease.side} cluster, which does not answer: the point of no "
                f"return has passed, and the API must come back: {error.what}"
            )
            self.tell(Progress("again", "lease", text))
        lease.last_error = error

    def _pause(self) -> None:
        """Pause, then renew the Leases that are ours already."""
        self.clock.pause(OBSERVE_INTERVAL)
        self.renew(only_acquired=True)

    # Keeping

    def seconds_until_due(self) -> float:
        """Seconds until `renew` has a Lease to renew."""
        return max(0.0, min(lease.due for lease in self._sides) - self.clock.now())

    def renew(self, *, only_acquired: bool = False) -> None:
        """Renew each Lease that is due. Raises LeaseLost if this run may no longer act."""
        for lease in sorted(self._sides, key=lambda each: each.last_error is not None):
            if only_acquired and lease.version is None:
                continue
            if self.clock.now() >= lease.due:
                self._renew(lease)
            if lease.version is not None and self.clock.now() - lease.requested_at >= TRUSTED_SECONDS:
                self._check_expiry(lease)

    def _renew(self, lease: _Held) -> None:
        try:
            if lease.version is None or not self._try_renew(lease):
                self._reacquire(lease)
        except (Conflict, AlreadyExists, NotFound):
            lease.due = self.clock.now()  # changed again: retry at the next call
        except (LeaseLost, SettingsError, WrongCluster):
            raise
        except HcpDrError as error:
            lease.due = self.clock.now() + RETRY_INTERVAL
            if lease.version is None or self.does_without(lease.side):
                self._continue_without(lease, error)
            else:
                lease.last_error = error
                self.tell(Progress("again", "lease", error.what, self.clock.now() - lease.requested_at))

    def _try_renew(self, lease: _Held) -> bool:
        """False if the Lease is not as this run left it."""
        requested_at = self.clock.now()
        change = {"metadata": {"annotations": self._records}} if self._records else {}
        try:
            written = self._patch(lease, str(lease.version), {**change, "spec": {"renewTime": self._time()}})
        except (Conflict, NotFound):
            return False
        self._record_write(lease, written, requested_at)
        return True

    def _reacquire(self, lease: _Held) -> None:
        """Take back a Lease that is still ours although another client touched it, or one that the run continued
        without. Raises LeaseLost, WrongCluster."""
        self._check_cluster(lease)
        status = read_lease_status(lease.cluster, self.case.namespace, self.case.name)
        without = lease.version is None or self.does_without(lease.side)
        verdict = self._decide(lease, status)
        if status is not None and verdict != "ours" and not without:
            raise self._lost_error(lease, f"now {status.holder or 'no client'} holds it")
        if verdict == "alive":
            raise self._lost_error(lease, f"{status.holder if status else '?'} renews it")
        if verdict == "wait":
            lease.version, lease.due = None, self.clock.now() + RETRY_INTERVAL
        else:
            self._write(lease, status)

    def _check_expiry(self, lease: _Held) -> None:
        last_error = lease.last_error
        if last_error is not None and self.does_without(lease.side):
            return
        seconds = self.clock.now() - lease.requested_at
        raise self._lost_error(
            lease, f"it could not be renewed for {seconds:.0f} s ({last_error.what if last_error else 'late'})"
        )

    def _lost_error(self, lease: _Held, reason: str) -> LeaseLost:
        lease.version = None
        return LeaseLost(object=self._object, cluster=lease.word, reason=reason.rstrip("."))

    # Announcing and releasing

    @property
    def clusters(self) -> tuple[Kubernetes, ...]:
        """The management clusters whose Lease this run holds."""
        held = [each for each in self._sides if each.version is not None]
        return tuple(self.ports.cluster(each.side) for each in held if each.cluster is not self.in_place_of_source)

    @property
    def _records(self) -> dict[str, str]:
        records = {
            LAST_RUN_ANNOTATION: self._writer,
            REACHED_ANNOTATION: self._announced_step,
            MIRRORED_ANNOTATION: self._mirrored,
        }
        return {word: text for word, text in records.items() if text}

    def record_mirrored(self, mark: str, *, at_once: bool) -> None:
        """Record the mark of the journal in the bucket, `at_once` or with the next renewal. Raises LeaseLost."""
        self._mirrored = mark
        if at_once:
            self._write_records()

    def record_writer(self, writer: str) -> None:
        """Record the writer in the Leases: a later run needs a journal with this identity. Raises LeaseLost."""
        self._writer = writer
        self._write_records()

    def _write_records(self) -> None:
        for lease in self._sides:
            lease.due = self.clock.now()
        self.renew()

    def announce(self, step: str) -> None:
        """Record in the Leases that this step acts from now on. Raises LeaseLost, and the error that prevented the
        record if the run cannot continue without that cluster."""
        if self._announced_step != step:
            self._announced_step = step
            for lease in self._sides:
                lease.due = self.clock.now()
        self.renew()
        for lease in self._sides:
            if lease.announced != step and not self.does_without(lease.side):
                conflict = Conflict(
                    object=self._object, cluster=lease.word, verb="patch", reason="it changed since the last renewal"
                )
                raise lease.last_error or conflict

    def _release(self) -> None:
        """Release each Lease that is ours; on a cluster that does not answer it expires."""
        for lease in self._sides:
            if lease.version is None:
                continue
            error = self._release_one(lease, lease.version)
            if error is not None and error.passing:
                self.clock.pause(OBSERVE_INTERVAL)
                error = self._release_one(lease, lease.version)
            if error is not None:
                text = f"{self._object} on the {lease.side} cluster was not released: {error.what}"
                self.tell(Progress("again", "lease", text))
            lease.version = None

    def _release_one(self, lease: _Held, version: str) -> HcpDrError | None:
        """The error that prevented the release, or None."""
        try:
            self._patch(lease, version, {"spec": {"holderIdentity": "", "renewTime": self._time()}})
        except HcpDrError as error:
            return error
        return None

    def _time(self) -> str:
        return stamp(self.ports.now())
