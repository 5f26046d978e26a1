"""The platform engineer of the tabletop: runs the product's commands in the world, every command as a separate process.

A journal and a backup folder in memory outlive the process like files; with a real folder they are the product's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hcp_dr.commands import backup_online, begun
from hcp_dr.commands.abort import abort
from hcp_dr.commands.backup import backup
from hcp_dr.commands.context import Confirmation, Context, Folder, Outcome, Requested, exit_code_of
from hcp_dr.commands.discover import discover_relocation
from hcp_dr.commands.finish import finish
from hcp_dr.commands.plan import plan
from hcp_dr.commands.preflight import preflight
from hcp_dr.commands.relocate import relocate
from hcp_dr.commands.restore import restore
from hcp_dr.commands.restore_lost import restore_lost
from hcp_dr.commands.resume import resume
from hcp_dr.commands.teardown import teardown
from hcp_dr.commands.verify import verify
from hcp_dr.engine.journal import JournalState, OpenJournal, RunState, parse_journal
from hcp_dr.engine.planner import PlannedStep
from hcp_dr.engine.process import Process
from hcp_dr.engine.progress import Progress
from hcp_dr.engine.remote_state import RemoteState
from hcp_dr.engine.step import Check, WatchTarget
from hcp_dr.engine.wait import OBSERVE_INTERVAL
from hcp_dr.errors import CannotMigrate, HcpDrError, NothingToResume
from hcp_dr.folder import BackupFolder
from hcp_dr.kube.port import Kubernetes
from hcp_dr.model import RELEASE, Case, Dns, Ports, Side
from hcp_dr.objects.archive import Archive
from hcp_dr.report import outcome
from hcp_dr_lab.ground.layout import BUCKET, HOSTED_DOMAIN
from hcp_dr_lab.tabletop.clock import Clock
from hcp_dr_lab.tabletop.kubernetes.access import ADMINISTRATOR, Caller
from hcp_dr_lab.tabletop.world import NAME, World

_IDLE_SECONDS = 0.5
_NONE: Mapping[str, str] = MappingProxyType({})
PHASES: Mapping[str, Callable[[Context], Outcome]] = {
    "restore": restore,
    "verify": verify,
    "teardown": teardown,
    "finish": finish,
}


class JumpingClock:
    """Implements hcp_dr.engine.wait.Clock with the world's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now()

    def pause(self, seconds: float) -> None:
        self._clock.spend(seconds)

    def await_workers(self, works: Collection[futures.Future[Any]], seconds: float | None) -> None:
        """Return at once: the tabletop's time of an action has passed when the action is done."""
        del seconds
        futures.wait(works)

    def await_change(self, ports: Ports, topic: WatchTarget | None, mark: str | None, seconds: float) -> None:
        if topic is None or mark is None:
            self.pause(min(seconds, _IDLE_SECONDS))
            return
        began = self.now()
        try:
            cluster = ports.cluster(topic.side)
            for event in cluster.watch(topic.resource, topic.namespace, resource_version=mark, seconds=seconds):
                if event.type != "BOOKMARK":
                    return
        except HcpDrError:
            self.pause(max(0.0, min(seconds, OBSERVE_INTERVAL) - (self.now() - began)))


class MemoryJournal:
    """The in-memory counterpart of engine.journal.Journal: every line is durable as soon as it is written."""

    def __init__(self, clock: Clock) -> None:
        self.story = JournalState()
        self._clock = clock
        self._dumped: list[tuple[Mapping[str, Any], bytes]] = []

    @property
    def memory(self) -> RunState:
        return self.story.memory

    def write(self, line: str, **values: object) -> None:
        record = self.story.seal({"at": round(self._clock.epoch(), 3), "line": line, **values})
        self.story = self.story.after(record)

    def data(self) -> bytes:
        """Return all lines; lines serialized before are not serialized again."""
        for place, line in enumerate(self.story.lines):
            if place == len(self._dumped) or self._dumped[place][0] is not line:
                self._dumped[place:] = [(line, json.dumps(line, sort_keys=True).encode() + b"\n")]
        del self._dumped[len(self.story.lines) :]
        return b"".join(data for _, data in self._dumped)

    def adopt(self, data: bytes) -> None:
        self.story = parse_journal(data, "in memory")

    def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class MemoryFolder:
    """A backup folder in memory, with its journal."""

    journal: MemoryJournal
    name: str
    folder: str = "memory"
    files: dict[str, bytes] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def write(self, path: str, text: str) -> None:
        self.files[path] = text.encode()

    def paths(self, below: str) -> tuple[str, ...]:
        return tuple(sorted(path for path in self.files if path.rpartition("/")[0] == below))

    def check_usable(self, *, by_hand: bool = False) -> str:
        del by_hand
        return ""

    def check_room(self) -> None:
        """Memory has room."""

    def make(self, *, by_hand: bool = False) -> None:
        """The folder always exists."""

    def story(self) -> JournalState | None:
        return self.journal.story if self.journal.story.lines else None

    def open_journal(self, now: Callable[[], float]) -> OpenJournal:
        del now
        return self.journal


@dataclass(frozen=True, slots=True)
class _Reached:
    """Implements hcp_dr.commands.context.Folder: a folder with access through the world's hooks."""

    kept: Folder
    files: Archive

    @property
    def name(self) -> str:
        return self.kept.name

    @property
    def folder(self) -> str:
        return self.kept.folder

    def read(self, path: str) -> bytes | None:
        return self.files.read(path)

    def write(self, path: str, text: str) -> None:
        self.files.write(path, text)

    def paths(self, below: str) -> tuple[str, ...]:
        return self.files.paths(below)

    def check_usable(self, *, by_hand: bool = False) -> str:
        return self.kept.check_usable(by_hand=by_hand)

    def check_room(self) -> None:
        self.kept.check_room()

    def make(self, *, by_hand: bool = False) -> None:
        self.kept.make(by_hand=by_hand)

    def story(self) -> JournalState | None:
        return self.kept.story()

    def open_journal(self, now: Callable[[], float]) -> OpenJournal:
        return self.kept.open_journal(now)


@dataclass(frozen=True, slots=True)
class _OneFolder:
    """Implements hcp_dr.commands.context.Backups for an engineer with one backup folder."""

    only: Folder
    is_named: bool = True

    def folder(self, *, new: bool) -> Folder:
        del new
        return self.only

    def online_folder(self) -> Folder:
        return self.only

    def of_backup(self, backup_id: str) -> Folder | None:
        del backup_id
        return None

    def with_snapshot(self) -> Sequence[Folder]:
        return [self.only]

    def searched(self) -> str:
        return self.only.folder


@dataclass(frozen=True, slots=True)
class _Doors:
    """Implements hcp_dr.commands.context.Connections."""

    ports: Ports

    def cluster(self, side: Side, pinned: str = "") -> Kubernetes:  # noqa: ARG002 - no kubeconfig
        return self.ports.cluster(side)

    def aws(self) -> Ports:
        return self.ports

    def fresh_id(self) -> str:
        return self.ports.fresh_id()

    def now(self) -> float:
        return self.ports.now()


@dataclass(frozen=True, slots=True)
class Ending:
    """The result of a command: `error` is the failure, or None if done. `checks` are the checks of the run, or of the
    preflight that stopped it."""

    story: JournalState
    checks: tuple[Check, ...] = ()
    error: HcpDrError | None = None

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error is not None else exit_code_of(self.checks)


class Operator:
    """One relocation of one hosted cluster, from management cluster `source` to the other, by sequential processes on
    `machine`. All questions are answered with yes, and recorded in `asked`."""

    def __init__(
        self,
        world: World,
        name: str = NAME,
        *,
        source: int = 1,
        folder: Path | None = None,
        machine: str = "bastion",
        caller: Caller = ADMINISTRATOR,
    ) -> None:
        self.world = world
        self.machine = machine
        self.caller = caller
        self.name = name
        self.source = source
        self.part_mib = 128  # the value of SNAPSHOT_PART_MIB
        self.told: list[Progress] = []
        self.asked: list[Confirmation] = []
        self.folder = folder
        self.folder_name = name
        self.memory = MemoryFolder(MemoryJournal(world.clock), name)
        self._processes = 0
        self._sides = [side.name for side in (world.sides if source == 1 else world.sides[::-1])]

    # Commands

    def preflight(self, reasons: Mapping[str, str] = _NONE) -> tuple[Check, ...]:
        """Return all checks, including blocking checks."""
        blocked: list[Check] = []
        context = self.context()
        context.on_blocked = blocked.extend
        try:
            return preflight(context, reasons=reasons)
        except CannotMigrate:
            return tuple(blocked)

    def plan(self, command: str = "", *, dns: Dns = RELEASE, source_lost: bool = False) -> list[PlannedStep]:
        return plan(self.context(), command, dns=dns, source_lost=source_lost).steps

    def relocate(self, *, dns: Dns = RELEASE, reasons: Mapping[str, str] = _NONE) -> Ending:
        return self._ended(lambda context: relocate(context, dns=dns, reasons=reasons))

    def backup(self, *, dns: Dns = RELEASE, reasons: Mapping[str, str] = _NONE, documented_key: bool = False) -> Ending:
        return self._ended(lambda context: backup(context, dns=dns, reasons=reasons, documented_key=documented_key))

    def back_up_online(self) -> Ending:
        return self._ended(backup_online.backup_online)

    def restore_lost(self) -> Ending:
        return self._ended(lambda context: restore_lost(context, reason="the tabletop's"))

    def go_on(self, phase: str) -> Ending:
        """Run a later phase."""
        return self._ended(PHASES[phase])

    def restore_by_hand(self) -> Ending:
        return self._ended(restore)

    def resume(self, *, dns: Dns | None = None, pull_images: bool = True) -> Ending:
        """Raises NothingToResume."""
        ending = self._ended(lambda context: resume(context, dns=dns, pull_images=pull_images))
        if isinstance(ending.error, NothingToResume):
            raise ending.error
        return ending

    def abort(self) -> Ending:
        return self._ended(abort)

    def _ended(self, command: Callable[[Context], Outcome]) -> Ending:
        blocked: list[Check] = []
        context = self.context()
        context.on_blocked = blocked.extend
        try:
            done = command(context)
        except HcpDrError as error:
            return Ending(self.story(), tuple(blocked), error)
        return Ending(done.story, done.checks)

    # The commands' context

    def context(self) -> Context:
        """Return the context of a new process; the previous process on this machine is known to have ended."""
        self._processes += 1
        mark = f"{self.machine}/{self._processes}/{self.world.clock.now()}"
        names = self.world.residents[self.name].names
        ports = self.ports()
        return Context(
            requested=Requested(
                namespace=names.namespace,
                name=names.name,
                source=self._sides[0],
                destination=self._sides[1],
                region=None,
                bucket=BUCKET,
                zone_id=self.world.cloud.zone_id,
                domain=HOSTED_DOMAIN,
                node_pools=None,
                replicas=None,
                part_mib=self.part_mib,
            ),
            connections=_Doors(ports),
            backups=_OneFolder(_Reached(self._kept, ports.archive)),
            confirm=self.asked.append,
            on_progress=self.told.append,
            clock=JumpingClock(self.world.clock),
            process=Process(f"engineer@{self.machine}", self._processes, mark),
            is_gone=lambda other: other.startswith(f"{self.machine}/"),
            hands=1,
        )

    @property
    def _kept(self) -> Folder:
        if self.folder is not None:
            return BackupFolder(self.folder)
        self.memory.name = self.folder_name
        return self.memory

    def ports(self) -> Ports:
        return self.world.ports(self._kept, self.name, source=self.source, caller=self.caller)

    def case(self) -> Case:
        """Return the case of a relocation that would begin now."""
        return discover_relocation(self.context())

    def around(self) -> RemoteState:
        """Read the remote state of the relocation."""
        return begun.read_remote(self.context())

    # State that outlives a process

    def story(self) -> JournalState:
        return self._kept.story() or JournalState()

    @property
    def files(self) -> Mapping[str, bytes]:
        """Return the files of the backup folder in memory."""
        return self.memory.files

    def take_over(self, story: JournalState, files: Mapping[str, bytes]) -> None:
        """Continue from another operator's journal and backup folder in memory."""
        self.memory.journal.story = story
        self.memory.files = dict(files)

    def journal_data(self) -> bytes:
        """Return the content of the journal in memory, in the file's format."""
        return self.memory.journal.data()

    def pretend(self, step: str, **remembered: Any) -> None:
        """Record a step as done in the journal without doing it, to test the effect of omitting it."""
        for key, value in remembered.items():
            self.memory.journal.write("remember", key=key, value=value)
        self.memory.journal.write("done", step=step, because="pretended", seconds=0.0)

    def document(self, ending: Ending) -> Mapping[str, Any]:
        """Return the output of `hcp-dr relocate -o json`."""
        result = "done" if ending.error is None else "failed"
        return outcome.to_json(ending.story, backup_dir=self._kept.folder, result=result, checks=ending.checks)


__all__ = ["CannotMigrate", "Ending", "JumpingClock", "MemoryFolder", "MemoryJournal", "Operator"]
