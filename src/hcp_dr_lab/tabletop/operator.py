"""The platform engineer of the tabletop: runs the product's real procedure against the world, as its commands do.

A journal and a backup folder in memory outlive the run as files would; with a folder they are the product's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hcp_dr.engine.examine import examine, stopping
from hcp_dr.engine.foretell import PlannedStep, foretell
from hcp_dr.engine.journal import Journal, Memory, Story, read
from hcp_dr.engine.run import Progress, Run, Scribe
from hcp_dr.engine.step import Check, Topic
from hcp_dr.engine.wait import LOOK_AGAIN
from hcp_dr.errors import CannotMigrate, HcpDrError, NothingToResume
from hcp_dr.folder import BackupFolder
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import Archive
from hcp_dr.procedure import PHASES, PREFLIGHT, PREFLIGHT_BY_HAND, RESTORE_BY_HAND, Steps
from hcp_dr.procedure.case import Asked, discover
from hcp_dr.report import outcome
from hcp_dr_lab.region.layout import BUCKET, HOSTED_DOMAIN
from hcp_dr_lab.tabletop.clock import Clock
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
        return 0


class Operator:
    """One relocation of one hosted cluster, from management cluster `source` to the other one."""

    def __init__(self, world: World, name: str = NAME, *, source: int = 1, folder: Path | None = None) -> None:
        self.world = world
        self.name = name
        self.source = source
        self.folder = folder
        self.told: list[Progress] = []
        self._archive: Archive = MemoryArchive() if folder is None else BackupFolder(folder)
        self._memory = MemoryJournal(world.clock)
        self._sides = [side.name for side in (world.sides if source == 1 else world.sides[::-1])]

    # Commands

    def preflight(self) -> tuple[Check, ...]:
        ports = self.ports()
        return examine(self._run(ports, self.case(ports), Scribe()), PREFLIGHT)

    def plan(self, phase: str = "relocate") -> list[PlannedStep]:
        ports = self.ports()
        case = self.case(ports)
        return [foretell(step, ports, case, self.story().memory) for step in PHASES[phase]]

    def relocate(self, *, blindly: bool = False) -> Ending:
        return self.start("relocate", blindly=blindly)

    def start(self, command: str, *, blindly: bool = False, documented_key: bool = False) -> Ending:
        """A command that begins a relocation: relocate or backup. `blindly` passes over what preflight finds, which
        the product itself never does."""
        try:
            ports = self.ports()
            case = replace(self.case(ports), documented_key=documented_key)
            checks = () if blindly else examine(self._run(ports, case, Scribe()), PREFLIGHT)
            error = stopping(checks)
        except HcpDrError as stopped:
            return Ending(self.story(), error=stopped)
        if error is not None:
            return Ending(self.story(), checks, error)
        if isinstance(self._archive, BackupFolder):
            self._archive.make()
        return self._carry_out(ports, case, command, _working(command), checks)

    def go_on(self, phase: str) -> Ending:
        """A phase that follows others."""
        return self._carry_out(self.ports(), self._known(), phase, PHASES[phase])

    def restore_by_hand(self) -> Ending:
        """`hcp-dr restore` of a folder that was made by hand, where whoever is asked says yes."""
        ports = self.ports()
        case, scribe = self.case(ports), Scribe()
        try:
            checks = examine(self._run(ports, case, scribe), PREFLIGHT_BY_HAND)
        except HcpDrError as stopped:
            return Ending(self.story(), error=stopped)
        error = stopping(checks)
        if error is not None:
            return Ending(self.story(), checks, error)
        known = scribe.memory.values
        return self._carry_out(ports, case, "restore-by-hand", RESTORE_BY_HAND, checks, known=known)

    def resume(self) -> Ending:
        story = self.story()
        if story.command is None or story.ended:
            raise NothingToResume(reason="the journal holds nothing that is not finished")
        return self._carry_out(self.ports(), self._known(), "", _working(story.command))

    # What outlives a process

    @property
    def files(self) -> Mapping[str, bytes]:
        """Of the backup folder in memory."""
        return self._archive.files if isinstance(self._archive, MemoryArchive) else {}

    def take_over(self, story: Story, files: Mapping[str, bytes]) -> None:
        """Go on from what another one's journal and backup folder in memory hold."""
        self._memory.story = story
        self._archive = MemoryArchive(files=dict(files))

    def pretend(self, step: str, **remembered: Any) -> None:
        """Make the product believe that it has done a step, to see what comes of leaving it out."""
        for key, value in remembered.items():
            self._memory.write("remember", key=key, value=value)
        self._memory.write("done", step=step, because="pretended", seconds=0.0)

    # What they share

    def ports(self) -> Ports:
        return self.world.ports(self._archive, self.name, source=self.source)

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
        )
        number = "".join(self.world.chance.choices("0123456789", k=6))
        return discover(asked, ports.source, ports.destination, f"{self.name}-{number}")

    def _known(self) -> Case:
        case = self.story().case
        if case is None:
            raise NothingToResume(reason="the journal holds no relocation")
        return Case.from_json(dict(case))

    def _run(self, ports: Ports, case: Case, journal: Any) -> Run:
        return Run(ports, case, journal, JumpingClock(self.world.clock), self.told.append, hands=1)

    def _carry_out(
        self,
        ports: Ports,
        case: Case,
        command: str,
        steps: Steps,
        checks: Sequence[Check] = (),
        *,
        known: Mapping[str, Any] = MappingProxyType({}),
    ) -> Ending:
        journal = self._memory if self.folder is None else Journal(self.folder, now=self.world.clock.epoch)
        with closing(journal):
            if command:
                journal.write("begin", command=command, case=case.to_json())
            else:
                journal.write("resumed")
            for key, value in known.items():
                journal.write("remember", key=key, value=value)
            try:
                found = (*checks, *self._run(ports, case, journal).carry_out(steps))
            except HcpDrError as error:
                return Ending(journal.story, tuple(checks), error)
            journal.write("end")
            return Ending(journal.story, found)

    def document(self, ending: Ending) -> Mapping[str, Any]:
        """As `hcp-dr relocate -o json` prints it."""
        result = "done" if ending.error is None else "failed"
        return outcome.to_json(ending.story, backup_dir=self._archive.folder, result=result, checks=ending.checks)


def _working(command: str) -> Steps:
    return tuple(step for step in PHASES[command] if step not in PREFLIGHT)


__all__ = ["CannotMigrate", "Ending", "JumpingClock", "MemoryArchive", "MemoryJournal", "Operator"]
