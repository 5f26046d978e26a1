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
from hcp_dr.engine.wait import FIRST_LIMIT, LOOK_AGAIN, Clock, StopRequested
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
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import LEASE
from hcp_dr.model import RELOCATION_ANNOTATION, Case, Ports, Side

RENEWED_EVERY = DURATION / 3
RETRIED_EVERY = 5.0
TRUSTED = DURATION - 10.0
"""Seconds for which the holder trusts its last renewal; the rest of the duration is for requests still under way."""

Verdict = Literal["take", "ours", "wait", "alive"]


def decide(seen: LeaseStatus | None, first: LeaseStatus | None, *, me: str, unchanged: float, gone: bool) -> Verdict:
    """`first` is the Lease when its holder was first seen, `unchanged` the seconds since then on our clock; `gone`: the
    holder's process is proven to be gone."""
    if seen is None or not seen.holder:
        return "take"
    if seen.holder == me:
        return "ours"
    if gone:
        return "take"
    if first is not None and seen.version != first.version:
        return "alive"
    return "take" if unchanged >= max(float(DURATION), seen.duration) else "wait"


@dataclass(slots=True)
class _Held:
    """The Lease of one side, as known to this run. `word` is its name in errors. `version` is that of our last write,
    None while the Lease is not ours; `asked_at` is the time of that request, and `due` the time of the next."""

    side: Side
    cluster: Leases
    word: str
    version: str | None = None
    asked_at: float = 0.0
    due: float = 0.0
    first: LeaseStatus | None = None
    first_at: float = 0.0
    before: str | None = None  # the version seen before preflight; None if the Lease had a holder
    trouble: HcpDrError | None = None
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
    _sides: tuple[_Held, ...] = field(init=False)
    _signed: str = field(init=False, default="")
    _reached: str = field(init=False, default="")

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

    def look(self) -> None:
        """Record the current Leases, so that `held` can report whether another client was at work since."""
        for held in self._sides:
            with suppress(HcpDrError):  # preflight reports the error
                seen = read_lease_status(held.cluster, self.case.namespace, self.case.name)
                held.before = None if seen is not None and seen.holder else seen.version if seen else ""

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Inside, both Leases are ours; True if no other client held either since `look`. Released at the end, also
        after an error, but not by a process that is killed. Raises LeaseHeld, StopRequested, the port's errors."""
        try:
            undisturbed = [self._take(held) for held in self._sides]
            yield all(undisturbed)
        except Exception:
            self._give_back()
            raise
        self._give_back()

    def _take(self, held: _Held) -> bool:
        """Whether the Lease is unchanged since `look`. Waits for at most one duration."""
        began = self.clock.now()
        while True:
            if self.is_stopped():
                raise StopRequested
            try:
                self._identify(held)
                seen = read_lease_status(held.cluster, self.case.namespace, self.case.name)
                if self._settled(held, seen):
                    return (seen.version if seen else "") == held.before
            except (Conflict, AlreadyExists, NotFound):
                continue  # another client was faster: read again
            except HcpDrError as error:
                if not error.passing:
                    raise
                if self.clock.now() - began >= FIRST_LIMIT:
                    if not self.does_without(held.side):
                        raise
                    self._go_without(held, error)
                    return False
                self.tell(Progress("again", "lease", error.what))
            self._rest()

    def _identify(self, held: _Held) -> None:
        """Raises WrongCluster, the port's errors."""
        if held.side == "destination" or self.in_place_of_source is None:
            peers.check_same_cluster(self.ports, self.case, held.side)

    def _settled(self, held: _Held, seen: LeaseStatus | None) -> bool:
        """Whether the Lease is ours now. Raises LeaseHeld, Conflict, AlreadyExists, NotFound."""
        verdict = self._verdict(held, seen)
        if seen is not None and verdict == "alive":
            since = seen.since or "?"
            raise LeaseHeld(object=self._object, cluster=held.word, holder=seen.holder, since=since)
        if seen is not None and verdict == "wait":
            text = (
                f"until {self._object} on the {held.side} cluster is free; seen: held by {seen.holder} "
                f"since {seen.since or '?'}; hcp-dr takes it if the holder does not renew it for {DURATION} s"
            )
            self.tell(Progress("wait", "lease", text, self.clock.now() - held.first_at))
            return False
        self._write(held, seen)
        return True

    def _verdict(self, held: _Held, seen: LeaseStatus | None) -> Verdict:
        now = self.clock.now()
        if seen is None or not seen.holder:
            held.first = None
        elif held.first is None:
            held.first, held.first_at = seen, now
        gone = seen is not None and bool(seen.process) and self.is_gone(seen.process)
        return decide(seen, held.first, me=self.me, unchanged=now - held.first_at, gone=gone)

    def _write(self, held: _Held, seen: LeaseStatus | None) -> None:
        """Take or renew the Lease, on condition that it is unchanged."""
        asked, now = self.clock.now(), self._time()
        spec: dict[str, Any] = {"holderIdentity": self.me, "leaseDurationSeconds": DURATION, "renewTime": now}
        if seen is None or seen.holder != self.me:
            spec |= {"acquireTime": now, "leaseTransitions": seen.transitions + 1 if seen else 0}
        annotations: dict[str, str | None] = {
            HOSTED_CLUSTER_ANNOTATION: f"{self.case.namespace}/{self.case.name}",
            RELOCATION_ANNOTATION: self.case.backup_id,
            SIDE_ANNOTATION: held.side,
            PROCESS_ANNOTATION: self.process.mark,
        }
        if self._reached:
            annotations[REACHED_ANNOTATION] = self._reached
        metadata: dict[str, Any] = {"annotations": annotations}
        if seen is None:
            metadata |= {"name": self.name, "namespace": NAMESPACE}
            body = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}
            made = held.cluster.create(LEASE, body)
        else:
            if seen.relocation != self.case.backup_id:
                annotations |= {LAST_RUN_ANNOTATION: None, REACHED_ANNOTATION: self._reached or None}
            elif seen.last_run:
                self.last_runs |= {seen.last_run}
            made = self._patch(held, seen.version, {"metadata": metadata, "spec": spec})
        self._is_ours(held, made, asked)

    def _patch(self, held: _Held, version: str, change: dict[str, Any]) -> Object:
        metadata = {**change.get("metadata", {}), "resourceVersion": version}
        return held.cluster.patch(LEASE, self.name, NAMESPACE, {**change, "metadata": metadata})

    def _is_ours(self, held: _Held, made: Object, asked: float) -> None:
        seen = LeaseStatus.of(made)
        held.version, held.announced = seen.version, seen.reached
        held.asked_at, held.due, held.trouble, held.first = asked, asked + RENEWED_EVERY, None, None

    def _go_without(self, held: _Held, error: HcpDrError) -> None:
        held.due = self.clock.now() + RENEWED_EVERY
        if held.trouble is None:
            text = (
                f"continuing without the Lease of the {held.side} cluster, which does not answer: the point of no "
                f"return has passed, and the API must come back: {error.what}"
            )
            self.tell(Progress("again", "lease", text))
        held.trouble = error

    def _rest(self) -> None:
        """Pause, then renew the Leases that are ours already."""
        self.clock.pause(LOOK_AGAIN)
        self.keep(only_held=True)

    # Keeping

    def due_in(self) -> float:
        """Seconds until `keep` has a Lease to renew."""
        return max(0.0, min(held.due for held in self._sides) - self.clock.now())

    def keep(self, *, only_held: bool = False) -> None:
        """Renew each Lease that is due. Raises LeaseLost if this run may no longer act."""
        for held in sorted(self._sides, key=lambda each: each.trouble is not None):
            if only_held and held.version is None:
                continue
            if self.clock.now() >= held.due:
                self._renew(held)
            if held.version is not None and self.clock.now() - held.asked_at >= TRUSTED:
                self._mistrust(held)

    def _renew(self, held: _Held) -> None:
        try:
            if held.version is None or not self._renewed(held):
                self._regain(held)
        except (Conflict, AlreadyExists, NotFound):
            held.due = self.clock.now()  # changed again: retry at the next call
        except (LeaseLost, SettingsError, WrongCluster):
            raise
        except HcpDrError as error:
            held.due = self.clock.now() + RETRIED_EVERY
            if held.version is None or self.does_without(held.side):
                self._go_without(held, error)
            else:
                held.trouble = error
                self.tell(Progress("again", "lease", error.what, self.clock.now() - held.asked_at))

    def _renewed(self, held: _Held) -> bool:
        """False if the Lease is not as this run left it."""
        asked = self.clock.now()
        said = {LAST_RUN_ANNOTATION: self._signed, REACHED_ANNOTATION: self._reached}
        annotations = {word: text for word, text in said.items() if text}
        change = {"metadata": {"annotations": annotations}} if annotations else {}
        try:
            made = self._patch(held, str(held.version), {**change, "spec": {"renewTime": self._time()}})
        except (Conflict, NotFound):
            return False
        self._is_ours(held, made, asked)
        return True

    def _regain(self, held: _Held) -> None:
        """Take back a Lease that is still ours although another client touched it, or one that the run continued
        without. Raises LeaseLost, WrongCluster."""
        self._identify(held)
        seen = read_lease_status(held.cluster, self.case.namespace, self.case.name)
        without = held.version is None or self.does_without(held.side)
        verdict = self._verdict(held, seen)
        if seen is not None and verdict != "ours" and not without:
            raise self._lost(held, f"now {seen.holder or 'no client'} holds it")
        if verdict == "alive":
            raise self._lost(held, f"{seen.holder if seen else '?'} renews it")
        if verdict == "wait":
            held.version, held.due = None, self.clock.now() + RETRIED_EVERY
        else:
            self._write(held, seen)

    def _mistrust(self, held: _Held) -> None:
        trouble = held.trouble
        if trouble is not None and self.does_without(held.side):
            return
        seconds = self.clock.now() - held.asked_at
        raise self._lost(held, f"it could not be renewed for {seconds:.0f} s ({trouble.what if trouble else 'late'})")

    def _lost(self, held: _Held, reason: str) -> LeaseLost:
        held.version = None
        return LeaseLost(object=self._object, cluster=held.word, reason=reason.rstrip("."))

    # Announcing and releasing

    def sign(self, word: str) -> None:
        """Record the writer in the Leases: a later run needs a journal with this identity. Raises LeaseLost."""
        self._signed = word
        for held in self._sides:
            held.due = self.clock.now()
        self.keep()

    def announce(self, step: str) -> None:
        """Record in the Leases that this step acts from now on. Raises LeaseLost, and the error that prevented the
        record if the run cannot continue without that cluster."""
        if self._reached != step:
            self._reached = step
            for held in self._sides:
                held.due = self.clock.now()
        self.keep()
        for held in self._sides:
            if held.announced != step and not self.does_without(held.side):
                written = Conflict(
                    object=self._object, cluster=held.word, verb="patch", reason="it changed since the last renewal"
                )
                raise held.trouble or written

    def _give_back(self) -> None:
        """Release each Lease that is ours; on a cluster that does not answer it expires."""
        for held in self._sides:
            if held.version is None:
                continue
            error = self._given_back(held, held.version)
            if error is not None and error.passing:
                self.clock.pause(LOOK_AGAIN)
                error = self._given_back(held, held.version)
            if error is not None:
                text = f"{self._object} on the {held.side} cluster was not released: {error.what}"
                self.tell(Progress("again", "lease", text))
            held.version = None

    def _given_back(self, held: _Held, version: str) -> HcpDrError | None:
        """The error that prevented the release, or None."""
        try:
            self._patch(held, version, {"spec": {"holderIdentity": "", "renewTime": self._time()}})
        except HcpDrError as error:
            return error
        return None

    def _time(self) -> str:
        return stamp(self.ports.now())
