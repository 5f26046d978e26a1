"""The input of a command: the requested relocation, ways to reach the clusters and AWS, and the user.

A command is a function over a `Context`. It prints nothing, asks only through `confirm`, and reads no environment, so
that the command line, the rehearsal and any other Python program call the same function.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from hcp_dr.aws.port import Bucket, HostedZone, Identity, Instances
from hcp_dr.engine.bucket_lease import Leases
from hcp_dr.engine.command_run import CommandRun
from hcp_dr.engine.journal import JournalState, JournalWriter, OpenJournal
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.process import Process, current, is_gone
from hcp_dr.engine.progress import Progress
from hcp_dr.engine.run import HANDS, Run
from hcp_dr.engine.silent import AWS, CLUSTERS, SilentPort, open_or_silence
from hcp_dr.engine.step import Check, Watch
from hcp_dr.engine.wait import Clock, SystemClock
from hcp_dr.errors import DONE, DONE_WITH_WARNINGS, HcpDrError
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.stored import as_stored
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.archive import Archive


@dataclass(frozen=True, slots=True)
class Requested:
    """The content of the settings. Optional values are None if they are to be discovered."""

    namespace: str
    name: str
    source: str
    destination: str
    region: str | None
    bucket: str
    zone_id: str
    domain: str
    node_pools: tuple[str, ...] | None
    replicas: int | None
    part_mib: int = 128


class Aws(Protocol):
    """The AWS services of one relocation."""

    @property
    def bucket(self) -> Bucket: ...

    @property
    def zone(self) -> HostedZone: ...

    @property
    def instances(self) -> Instances: ...

    @property
    def identity(self) -> Identity: ...


class Connections(Protocol):
    """Ways to open the ports. Opening one may fail while the rest still open."""

    def cluster(self, side: Side, pinned: str = "") -> Kubernetes:
        """`pinned` is the context with which the relocation began, used unless the settings name a context; "" if none
        is known. Raises UnreadableKubeconfig."""
        ...

    def aws(self) -> Aws:
        """Raises SettingsError."""
        ...

    def fresh_id(self) -> str:
        """Random, unguessable, letters and digits."""
        ...

    def now(self) -> float:
        """Seconds since the epoch."""
        ...


class Folder(Archive, Protocol):
    """A backup folder, including its journal."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        ...

    def check_usable(self, *, by_hand: bool = False) -> str:
        """A warning, "" if there is none. Raises ArchiveError, JournalError if the folder is not safe to use."""
        ...

    def check_room(self) -> None:
        """Raises ArchiveError, JournalError if a new backup cannot be written here. Leaves nothing behind."""
        ...

    def make(self, *, by_hand: bool = False) -> None: ...

    def story(self) -> JournalState | None:
        """The content of its journal, None if there is no journal. Raises JournalError."""
        ...

    def open_journal(self, now: Callable[[], float]) -> OpenJournal:
        """For writing. Raises JournalError if another process is writing it."""
        ...


class Backups(Protocol):
    """The places of backup folders."""

    @property
    def is_named(self) -> bool:
        """Whether the caller named one folder, instead of leaving the choice to the settings."""
        ...

    def folder(self, *, new: bool) -> Folder:
        """`new` if a journal may begin. Raises NothingToResume."""
        ...

    def online_folder(self) -> Folder: ...

    def of_backup(self, backup_id: str) -> Folder | None: ...

    def with_snapshot(self) -> Sequence[Folder]:
        """Folders that may hold a verified snapshot, in no order."""
        ...

    def searched(self) -> str:
        """The places searched by `with_snapshot`, for messages."""
        ...


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A question before a command removes something. `name` is the hosted cluster's, to be typed; `what` describes the
    consequence; `checks` are to be read before the answer."""

    name: str
    what: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a successful command. `checks` are the checks of this run; none of them blocks. `command` is the
    command if the journal does not have it: it only read the state of a relocation that has ended."""

    story: JournalState
    folder: Folder
    checks: tuple[Check, ...]
    command: str = ""

    @property
    def backup_dir(self) -> str:
        return self.folder.folder

    @property
    def exit_code(self) -> int:
        return exit_code_of(self.checks)


def exit_code_of(checks: Sequence[Check]) -> int:
    """The exit code of a successful command."""
    return DONE_WITH_WARNINGS if any(check.verdict == "warning" for check in checks) else DONE


def _ignore(_: object) -> None:
    """The caller wants no reports."""


@dataclass(slots=True)
class Context:
    """The environment of one command. Nothing is opened or read before it is needed.

    `on_progress` receives the progress of each step. `on_blocked` receives the checks of a preflight that blocks the
    command, before its error is raised. `confirm` returns if the answer is yes, and raises ConfirmationMissing if not.
    Writing commands run inside `while_working`; setting `stop` ends them between two actions with StopRequested.
    """

    requested: Requested
    connections: Connections
    backups: Backups
    confirm: Callable[[Confirmation], None]
    on_progress: Callable[[Progress], None] = _ignore
    on_blocked: Callable[[tuple[Check, ...]], None] = _ignore
    stop: threading.Event = field(default_factory=threading.Event)
    while_working: Callable[[], AbstractContextManager[None]] = nullcontext
    clock: Clock | None = None  # None: the clock of this machine
    process: Process = field(default_factory=current)
    is_gone: Callable[[str], bool] = is_gone
    hands: int = HANDS
    _folder: Folder | None = None
    _ports: Ports | None = None
    _noted: set[str] = field(default_factory=set)

    @property
    def chosen(self) -> Folder | None:
        """The backup folder, if already chosen."""
        return self._folder

    @property
    def folder(self) -> Folder:
        """The backup folder of the command. Raises NothingToResume if none was chosen and none exists."""
        if self._folder is None:
            self._folder = self.backups.folder(new=False)
        return self._folder

    def choose(self, folder: Folder) -> Folder:
        """Work in this backup folder from now on."""
        self._folder = folder
        if self._ports is not None:
            self._ports = replace(self._ports, archive=folder)
        return folder

    @property
    def ports(self) -> Ports:
        """Raises UnreadableKubeconfig, SettingsError."""
        if self._ports is None:
            for error in self.open_ports().values():
                self._ports = None
                raise error  # the first
        assert self._ports is not None  # noqa: S101 - opened above
        return self._ports

    @ports.setter
    def ports(self, ports: Ports) -> None:
        self._ports = ports

    def open_ports(self) -> dict[str, HcpDrError]:
        """Open all ports, for a survey. A port that cannot be opened is silent; returns the errors by port."""
        errors: dict[str, HcpDrError] = {}
        if self._ports is None:
            connections = self.connections
            folder = self.folder  # first: its journal has the contexts of the kubeconfigs
            source, destination, hosted = (
                open_or_silence(side, partial(self._open, side), errors) for side in CLUSTERS
            )
            aws = open_or_silence("bucket", connections.aws, errors)
            if "bucket" in errors:
                errors |= dict.fromkeys(AWS.values(), errors["bucket"])
            services = {port: SilentPort(port) if port in errors else getattr(aws, port) for port in AWS.values()}
            self._ports = Ports(
                source=source,
                destination=destination,
                hosted=hosted,
                **services,
                archive=folder,
                fresh_id=connections.fresh_id,
                now=connections.now,
            )
        return errors

    def cluster(self, side: Side) -> Kubernetes:
        """A single cluster. Raises UnreadableKubeconfig."""
        return self._ports.cluster(side) if self._ports is not None else self._open(side)

    def _open(self, side: Side) -> Kubernetes:
        """By the context with which the relocation of the folder began: a changed current-context moves nothing."""
        case = (self._folder.story() if self._folder is not None else None) or JournalState()
        pinned = (case.case or {}).get(f"{side}_context")
        return as_stored(self.connections.cluster(side, pinned if isinstance(pinned, str) else ""))

    def bucket(self) -> Bucket:
        """Raises SettingsError."""
        return self._ports.bucket if self._ports is not None else self.connections.aws().bucket

    @property
    def time(self) -> Clock:
        if self.clock is None:
            self.clock = SystemClock(self.stop)
        return self.clock

    @property
    def story(self) -> JournalState:
        """The content of the folder's journal; empty if there is no journal."""
        return self.folder.story() or JournalState()

    @property
    def who(self) -> str:
        """The user, for the journal: the login on this machine, and the identity behind the AWS credentials."""
        return f"{self.process.who}, {self.ports.identity.arn()}"

    def tell(self, text: str) -> None:
        self.on_progress(Progress("note", "", text))

    def tell_once(self, text: str) -> None:
        if text not in self._noted:
            self._noted.add(text)
            self.tell(text)

    def open_journal(self) -> OpenJournal:
        return self.folder.open_journal(self.connections.now)

    def run(self, case: Case, journal: JournalWriter) -> Run:
        return Run(self.ports, case, journal, self.time, self.on_progress, self.stop, hands=self.hands)

    def lease(self, case: Case, in_place_of_source: Leases | None = None) -> Lease:
        """After the point of no return the Lease tolerates an unreachable source, from the first attempt on."""
        return Lease(
            self.ports,
            case,
            self.time,
            self.on_progress,
            self.stop.is_set,
            does_without=lambda side: side == "source" and self.story.acted_in(POINT_OF_NO_RETURN),
            process=self.process,
            is_gone=self.is_gone,
            in_place_of_source=in_place_of_source,
        )

    def command_run(
        self,
        case: Case,
        journal: OpenJournal,
        lease: Lease,
        watches: Sequence[Watch[Any]] = (),
        *,
        without: Callable[[Side], bool] | None = None,
    ) -> CommandRun:
        run = self.run(case, journal)
        run.watches = watches
        return CommandRun(run, journal, lease, no_return=POINT_OF_NO_RETURN, without=without)
