"""The platform engineer of the tabletop: runs the product's real procedure against the world, as its commands do.

A journal and a backup folder in memory outlive the run as files would; with a folder they are the product's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent import futures
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hcp_dr.engine.around import Around, ask_around
from hcp_dr.engine.bucket_lease import BucketLease, Leases
from hcp_dr.engine.examine import NOTHING, examine, journal_accepted, stopping
from hcp_dr.engine.foretell import PlannedStep, foretell
from hcp_dr.engine.journal import ABORT, Journal, Memory, Story, fold, parse, read
from hcp_dr.engine.journal import RESTORE_BY_HAND as RESTORE_BY_HAND_COMMAND
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.process import Process
from hcp_dr.engine.run import Run
from hcp_dr.engine.silence import must_be_silent
from hcp_dr.engine.step import Check, Topic, Watch
from hcp_dr.engine.telling import Progress, Scribe
from hcp_dr.engine.undertaking import Undertaking
from hcp_dr.engine.wait import LOOK_AGAIN
from hcp_dr.errors import DONE, DONE_WITH_WARNINGS, CannotMigrate, HcpDrError, NothingToResume
from hcp_dr.folder import BackupFolder
from hcp_dr.hypershift import source_loss
from hcp_dr.hypershift.access.tls import must_be_accepted
from hcp_dr.hypershift.manual_backup.folder import is_made_by_hand
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.model import DNS, Case, Dns, Ports
from hcp_dr.objects.archive import Archive
from hcp_dr.objects.naming import backup_id_of
from hcp_dr.procedure import (
    BACKUP_ONLINE,
    ONLINE_PREFLIGHT,
    PHASES,
    PREFLIGHT,
    PREFLIGHT_BY_HAND,
    RESTORE_BY_HAND,
    RESTORE_LOST,
    UNDO,
    WATCHES,
    calling_off,
    losing,
    working_steps,
)
from hcp_dr.procedure.case import Asked, discover, recognized
from hcp_dr.procedure.online import must_be_alone
from hcp_dr.procedure.restore.pull_images import LEFT_OUT, PULLED
from hcp_dr.procedure.resume.refill import STEP as REFILL
from hcp_dr.report import outcome
from hcp_dr_lab.region.layout import BUCKET, HOSTED_DOMAIN
from hcp_dr_lab.tabletop.clock import Clock
from hcp_dr_lab.tabletop.kubernetes.access import ADMINISTRATOR, Caller
from hcp_dr_lab.tabletop.world import NAME, World

_IDLE_SECONDS = 0.5


class JumpingClock:
    """Implements hcp_dr.engine.wait.Clock with the world's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now()

    def pause(self, seconds: float) -> None:
        self._clock.spend(seconds)

    def await_hands(self, works: Collection[futures.Future[Any]], seconds: float | None) -> None:
        """What one action takes of the tabletop's time has passed when it is done."""
        del seconds
        futures.wait(works)

    def await_change(self, ports: Ports, topic: Topic | None, mark: str | None, seconds: float) -> None:
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
            self.pause(max(0.0, min(seconds, LOOK_AGAIN) - (self.now() - began)))


class MemoryJournal:
    """What engine.journal.Journal is on disk: each line counts from the moment it is written."""

    def __init__(self, clock: Clock) -> None:
        self.story = Story()
        self._clock = clock

    @property
    def memory(self) -> Memory:
        return self.story.memory

    def write(self, line: str, **values: Any) -> None:
        record = json.loads(json.dumps({"at": round(self._clock.epoch(), 3), "line": line, **values}, default=str))
        self.story = self.story.after(record)

    def data(self) -> bytes:
        return b"".join(json.dumps(line, sort_keys=True).encode() + b"\n" for line in self.story.lines)

    def adopt(self, data: bytes) -> None:
        self.story = fold(parse(data))

    def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True)
class MemoryArchive:
    """A backup folder in memory."""

    folder: str = "memory"
    files: dict[str, bytes] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def write(self, path: str, text: str) -> None:
        self.files[path] = text.encode()

    def paths(self, below: str) -> tuple[str, ...]:
        return tuple(sorted(path for path in self.files if path.rpartition("/")[0] == below))


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended: `error` is what the product stopped with, None where it is done."""

    story: Story
    checks: tuple[Check, ...] = ()
    error: HcpDrError | None = None

    @property
    def exit_code(self) -> int:
        if self.error is not None:
            return self.error.exit_code
        return DONE_WITH_WARNINGS if any(check.verdict == "warning" for check in self.checks) else DONE


class _AnotherCommand(Exception):
    """Another machine went on with it, whose journal is now here."""


class Operator:
    """One relocation of one hosted cluster, from management cluster `source` to the other one, by the processes that
    somebody starts on `machine`, one after the other."""

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
        self.folder = folder
        self.part_mib = 128  # as SNAPSHOT_PART_MIB says
        self.folder_name = name
        self.told: list[Progress] = []
        self._archive: Archive = MemoryArchive() if folder is None else BackupFolder(folder)
        self._memory = MemoryJournal(world.clock)
        self._processes = 0
        self.watches: Sequence[Watch[Any]] = WATCHES
        self._sides = [side.name for side in (world.sides if source == 1 else world.sides[::-1])]

    # Commands

    def preflight(self, reasons: Mapping[str, str] = NOTHING) -> tuple[Check, ...]:
        ports = self.ports()
        return examine(self._run(ports, self.case(ports), Scribe()), PREFLIGHT, reasons)

    def plan(self, phase: str = "relocate") -> list[PlannedStep]:
        ports = self.ports()
        case = self.case(ports)
        return [foretell(step, ports, case, self.story().memory) for step in PHASES[phase]]

    def relocate(self, *, blindly: bool = False, dns: Dns = "release", reasons: Mapping[str, str] = NOTHING) -> Ending:
        return self.start("relocate", blindly=blindly, dns=dns, reasons=reasons)

    def start(
        self,
        command: str,
        *,
        blindly: bool = False,
        dns: Dns = "release",
        reasons: Mapping[str, str] = NOTHING,
        documented_key: bool = False,
    ) -> Ending:
        """A command that begins a relocation: relocate or backup. `blindly` passes over what preflight finds, which
        the product itself never does; `reasons` accept what may be accepted."""
        try:
            self._must_be_usable()
            ports = self.ports()
            case = replace(self.case(ports), documented_key=documented_key)
            lease = self._lease(ports, case)
            lease.look()
            checks = () if blindly else self._examined(ports, case, dns, reasons)
            error = stopping(checks)
        except HcpDrError as stopped:
            return Ending(self.story(), error=stopped)
        if error is not None:
            return Ending(self.story(), checks, error)
        return self._begin(ports, case, lease, command, checks, blindly=blindly, dns=dns, reasons=reasons)

    def back_up_online(self) -> Ending:
        """As `hcp-dr backup --online`, in this machine's folder, which must be a new one."""
        try:
            self._must_be_usable()
            ports = self.ports()
            case = self.case(ports)
            lease = self._lease(ports, case)
            must_be_alone(ports.bucket, case)
            checks = examine(self._run(ports, case, Scribe()), ONLINE_PREFLIGHT)
            error = stopping(checks)
            if error is not None:
                raise error
            with lease.held(), closing(self._journal()) as journal:
                must_be_alone(ports.bucket, case)
                work = self._undertaking(ports, case, journal, lease, watches=())
                work.begin("begin", command=BACKUP_ONLINE, case=case.to_json())
                checks += work.carry_out(working_steps(BACKUP_ONLINE))
        except HcpDrError as stopped:
            return Ending(self.story(), error=stopped)
        return Ending(self.story(), checks)

    def restore_lost(self) -> Ending:
        """As `hcp-dr restore --source-lost`, from the backup in this machine's folder."""
        story, ports = self.story(), self.ports()
        try:
            self._must_be_usable()
            losing.must_be_before(story, self._archive.folder)
            must_be_accepted(ports, story)
            case = losing.towards(Case.from_json(dict(story.case or {})), ports.destination)
            manifest = source_loss.must_be_verified(self._archive, story, ports, case)
            self._prover(ports, case)()
        except HcpDrError as stopped:
            return Ending(story, error=stopped)
        at, now = source_loss.moment_of(manifest, story.memory), self.world.clock.epoch()
        told = {"reason": "the tabletop's", "who": self.machine, "at": at, "began": now}
        return self._restore_lost(ports, case, told)

    def _resume_lost(self) -> Ending:
        story, ports, case = self.story(), self.ports(), self._known()
        try:
            if not story.acted_in(POINT_OF_NO_RETURN):
                self._prover(ports, case)()
        except HcpDrError as stopped:
            return Ending(story, error=stopped)
        return self._restore_lost(ports, case, None)

    def _restore_lost(self, ports: Ports, case: Case, told: Any) -> Ending:
        without = replace(ports, source=source_loss.lost_source())
        checks: tuple[Check, ...] = ()
        lease = self._lease(without, case, BucketLease(ports.bucket, case.namespace, case.name))
        try:
            with closing(self._journal()) as journal, lease.held():
                work = self._undertaking(without, case, journal, lease, watches=())
                checks = work.catch_up(REFILL)
                if told is None and journal.story.command != RESTORE_LOST:
                    raise _AnotherCommand
                if told is None:
                    work.begin("resumed")
                    told = journal.memory.mapping(source_loss.LOST)
                else:
                    losing.must_be_before(journal.story, self._archive.folder)
                    work.begin("begin", command=RESTORE_LOST, case=case.to_json())
                    journal.write("remember", key=source_loss.LOST, value=told)
                if told is not None:
                    checks += source_loss.checks(case, told, self._archive.folder)
                carry = losing.carrying(self._prover(ports, case, lease.keep))
                checks += work.carry_out(working_steps(RESTORE_LOST), carry=carry)
        except HcpDrError as stopped:
            return Ending(self.story(), checks, stopped)
        return Ending(self.story(), checks)

    def _prover(self, ports: Ports, case: Case, between: Callable[[], None] = lambda: None) -> Callable[[], None]:
        clock = JumpingClock(self.world.clock)
        return lambda: must_be_silent(losing.asked(ports, case), clock, self.told.append, between)

    def _examined(self, ports: Ports, case: Case, dns: Dns, reasons: Mapping[str, str]) -> tuple[Check, ...]:
        return examine(self._run(ports, case, Scribe(Memory().with_value(DNS, dns))), PREFLIGHT, reasons)

    def _begin(
        self,
        ports: Ports,
        case: Case,
        lease: Lease,
        command: str,
        checks: tuple[Check, ...],
        *,
        blindly: bool,
        dns: Dns,
        reasons: Mapping[str, str],
    ) -> Ending:
        with ExitStack() as stack:
            try:
                undisturbed = stack.enter_context(lease.held())
                if not undisturbed and not blindly:
                    checks = self._examined(ports, case, dns, reasons)
            except HcpDrError as stopped:
                return Ending(self.story(), error=stopped)
            error = stopping(checks)
            if error is not None:
                return Ending(self.story(), checks, error)
            if isinstance(self._archive, BackupFolder):
                self._archive.make()
            journal = stack.enter_context(closing(self._journal()))
            work = self._undertaking(ports, case, journal, lease)
            try:
                work.begin("begin", command=command, case=case.to_json())
                journal.write("remember", key=DNS, value=dns)
                journal_accepted(journal, checks, "the tabletop's operator")
                begun = work.carry_out(working_steps(command))
            except HcpDrError as stopped:
                return Ending(journal.story, checks, stopped)
            return Ending(journal.story, (*checks, *begun))

    def go_on(self, phase: str) -> Ending:
        """A phase that follows others."""
        self._must_be_usable()
        return self._follow(self._known(), phase)

    def restore_by_hand(self) -> Ending:
        """`hcp-dr restore` of a folder that was made by hand, where whoever is asked says yes."""
        try:
            self._must_be_usable(by_hand=True)
            ports = self.ports()
            case = self.case(ports)
            lease = self._lease(ports, case)
            lease.look()
            scribe, checks = self._judged(ports, case)
        except HcpDrError as stopped:
            return Ending(self.story(), error=stopped)
        with ExitStack() as stack:
            try:
                if stopping(checks) is None and not stack.enter_context(lease.held()):
                    scribe, checks = self._judged(ports, case)
            except HcpDrError as stopped:
                return Ending(self.story(), error=stopped)
            error = stopping(checks)
            if error is not None:
                return Ending(self.story(), checks, error)
            journal = stack.enter_context(closing(self._journal()))
            work = self._undertaking(ports, case, journal, lease)
            try:
                work.begin("begin", command="restore-by-hand", case=case.to_json())
                for key, value in scribe.memory.values.items():
                    journal.write("remember", key=key, value=value)
                begun = work.carry_out(RESTORE_BY_HAND)
            except HcpDrError as stopped:
                return Ending(journal.story, checks, stopped)
            return Ending(journal.story, (*checks, *begun))

    def _judged(self, ports: Ports, case: Case) -> tuple[Scribe, tuple[Check, ...]]:
        scribe = Scribe()
        return scribe, examine(self._run(ports, case, scribe), PREFLIGHT_BY_HAND)

    def resume(self, *, dns: Dns | None = None, pull_images: bool = True) -> Ending:
        """What this machine's journal says is not finished, or else what was at work last on any."""
        self._find()
        story = self.story()
        if story.command is None or story.ended:
            raise NothingToResume(reason="the journal holds nothing that is not finished")
        try:
            if story.command == RESTORE_LOST:
                return self._resume_lost()
            return self._follow(self._known(), None, dns=dns, pull_images=pull_images)
        except _AnotherCommand:
            return self.resume(dns=dns, pull_images=pull_images)

    def abort(self) -> Ending:
        """As `hcp-dr abort`: nothing is written before it is known that the relocation can be called off."""
        self._find()
        ports, case, story = self.ports(), self._known(), self.story()
        try:
            calling_off.must_be_returnable(self._run(ports, case, Scribe(story.memory)), story)
        except HcpDrError as refused:
            return Ending(story, error=refused)
        return self._follow(case, ABORT)

    def _find(self) -> None:
        """The journal of another machine, where this one has none."""
        self._must_be_usable(by_hand=is_made_by_hand(self._archive, self.world.residents[self.name].names.namespace))
        if self.story().command is None:
            found = self.around().journal(self._archive.folder)
            if isinstance(self._archive, BackupFolder):
                self._archive.make(by_hand=found.story.command == RESTORE_BY_HAND_COMMAND)
            with closing(self._journal()) as journal:
                journal.adopt(found.data)

    def around(self) -> Around:
        """What the world tells of the relocation."""
        names, ports = self.world.residents[self.name].names, self.ports()
        return ask_around(
            lambda: ports.source,
            lambda: ports.destination,
            lambda: ports.bucket,
            namespace=names.namespace,
            name=names.name,
        )

    # What outlives a process

    @property
    def files(self) -> Mapping[str, bytes]:
        """Of the backup folder in memory."""
        return self._archive.files if isinstance(self._archive, MemoryArchive) else {}

    def take_over(self, story: Story, files: Mapping[str, bytes]) -> None:
        """Go on from what another one's journal and backup folder in memory hold."""
        self._memory.story = story
        self._archive = MemoryArchive(files=dict(files))

    def journal_data(self) -> bytes:
        """Of the journal in memory, as its file would hold it."""
        return self._memory.data()

    def pretend(self, step: str, **remembered: Any) -> None:
        """Make the product believe that it has done a step, to see what comes of leaving it out."""
        for key, value in remembered.items():
            self._memory.write("remember", key=key, value=value)
        self._memory.write("done", step=step, because="pretended", seconds=0.0)

    # What they share

    def _must_be_usable(self, *, by_hand: bool = False) -> None:
        """As each command looks at its folder first. Raises ArchiveError, JournalError."""
        if isinstance(self._archive, BackupFolder):
            self._archive.must_be_usable(by_hand=by_hand)

    def ports(self) -> Ports:
        return self.world.ports(self._archive, self.name, source=self.source, caller=self.caller)

    def story(self) -> Story:
        if self.folder is None:
            return self._memory.story
        return read(self.folder) or Story()

    def case(self, ports: Ports) -> Case:
        names = self.world.residents[self.name].names
        asked = Asked(
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
        )
        number = "".join(self.world.chance.choices("0123456789", k=6))
        return discover(asked, ports.source, ports.destination, backup_id_of(self.folder_name, number))

    def _known(self) -> Case:
        case = self.story().case
        if case is None:
            raise NothingToResume(reason="the journal holds no relocation")
        must_be_accepted(self.ports(), self.story())
        return recognized(Case.from_json(dict(case)), self.ports())

    def _run(self, ports: Ports, case: Case, journal: Any) -> Run:
        clock = JumpingClock(self.world.clock)
        return Run(ports, case, journal, clock, self.told.append, hands=1)

    def _journal(self) -> Any:
        return self._memory if self.folder is None else Journal(self.folder, now=self.world.clock.epoch)

    def _lease(self, ports: Ports, case: Case, in_place_of_source: Leases | None = None) -> Lease:
        """Each command is a process of its own, and whoever starts the next on this machine knows that it is gone."""
        self._processes += 1
        mark = f"{self.machine}/{self._processes}/{self.world.clock.now()}"
        process = Process(f"engineer@{self.machine}", self._processes, mark)
        clock = JumpingClock(self.world.clock)
        here = f"{self.machine}/"
        return Lease(
            ports,
            case,
            clock,
            self.told.append,
            process=process,
            does_without=lambda side: side == "source" and self.story().acted_in(POINT_OF_NO_RETURN),
            is_gone=lambda other: other.startswith(here),
            in_place_of_source=in_place_of_source,
        )

    def _undertaking(
        self,
        ports: Ports,
        case: Case,
        journal: Any,
        lease: Lease,
        watches: Sequence[Watch[Any]] | None = None,
        *,
        called_off: bool = False,
    ) -> Undertaking:
        run = self._run(ports, case, journal)
        run.watches = self.watches if watches is None else watches
        without = None
        if called_off:
            run.watches, without = (), calling_off.without(lambda: journal.memory)
        return Undertaking(run, lease, no_return=POINT_OF_NO_RETURN, without=without)

    def _follow(self, case: Case, command: str | None, *, dns: Dns | None = None, pull_images: bool = True) -> Ending:
        """Another command in the folder of those before, or, without a command, the one that is not finished."""
        ports = self.ports()
        with closing(self._journal()) as journal:
            lease = self._lease(ports, case)
            checks: tuple[Check, ...] = ()
            begun = journal.story.command
            called_off = command == ABORT or (command is None and journal.story.called_off)
            work = self._undertaking(ports, case, journal, lease, called_off=called_off)
            try:
                with lease.held():
                    checks = work.catch_up(REFILL)
                    if command is None and journal.story.command != begun:
                        raise _AnotherCommand
                    if command is None:
                        work.begin("resumed")
                    else:
                        work.begin("begin", command=command, case=case.to_json())
                    if dns is not None:
                        journal.write("remember", key=DNS, value=dns)
                    if not pull_images:
                        journal.write("remember", key=PULLED, value=LEFT_OUT)
                    if called_off:
                        checks += work.carry_out(UNDO, carry=calling_off.call_off)
                    elif command is None:
                        checks += work.carry_out(working_steps(journal.story.command))
                    else:
                        checks += work.carry_out(PHASES[command])
            except HcpDrError as stopped:
                return Ending(journal.story, checks, stopped)
            return Ending(journal.story, checks)

    def document(self, ending: Ending) -> Mapping[str, Any]:
        """As `hcp-dr relocate -o json` prints it."""
        result = "done" if ending.error is None else "failed"
        return outcome.to_json(ending.story, backup_dir=self._archive.folder, result=result, checks=ending.checks)


__all__ = ["CannotMigrate", "Ending", "JumpingClock", "MemoryArchive", "MemoryJournal", "Operator"]
