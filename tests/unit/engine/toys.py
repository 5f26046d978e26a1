"""A clock that jumps, and toy steps over a world of plain values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

from hcp_dr.engine.check_run import NOTHING, run_checks
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.progress import NullJournal, Progress
from hcp_dr.engine.run import Run
from hcp_dr.engine.step import Check, Create, Decision, Patch, Step, WatchTarget
from hcp_dr.errors import CannotMigrate
from hcp_dr.kube.resources import CONFIG_MAP
from hcp_dr.model import Ports
from tests.ports import CASE, World


@dataclass
class JumpingClock:
    """Time passes only by waiting; `meanwhile` is what happens to the world during a wait."""

    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)
    awaited: list[tuple[WatchTarget | None, str | None, float]] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    def now(self) -> float:
        return self.seconds

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds
        self.meanwhile()

    def await_workers(self, works: Collection[futures.Future[Any]], seconds: float | None) -> None:
        del seconds
        futures.wait(works, timeout=10)

    def await_change(self, ports: Ports, topic: WatchTarget | None, mark: str | None, seconds: float) -> None:
        assert ports is not None
        self.awaited.append((topic, mark, seconds))
        self.seconds += seconds
        self.meanwhile()


class Log(NullJournal):
    """A journal in memory that keeps every line; `on_line` is called after each."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []
        self.on_line: Callable[[str], object] = str

    def write(self, line: str, **values: Any) -> None:
        super().write(line, **values)
        self.lines.append({"line": line, **values})
        self.on_line(line)

    @property
    def story(self) -> list[str]:
        return [line["line"] for line in self.lines]


def checked(run: Run, steps: Sequence[Step[Any]], reasons: Mapping[str, str] = NOTHING) -> tuple[Check, ...]:
    """The checks; raises the error of the only problem."""
    findings = run_checks(run, steps, reasons)
    if findings.error is not None and not isinstance(findings.error, CannotMigrate):
        raise findings.error
    return findings.checks


@dataclass
class Table:
    """One run on a world."""

    world: World = field(default_factory=World)
    clock: JumpingClock = field(default_factory=JumpingClock)
    log: Log = field(default_factory=Log)
    told: list[Progress] = field(default_factory=list)

    def run(self) -> Run:
        return Run(self.world.ports, CASE, self.log, self.clock, self.told.append)


def step(
    plan: Callable[[Any], Decision], observe: Callable[..., Any] | None = None, name: str = "toy.step"
) -> Step[Any]:
    """A step whose facts are the ConfigMaps of the source by name, unless `observe` says otherwise."""
    return Step(name, "-", observe or config_maps, plan)


def config_maps(ports: Ports, _case: Any, _memory: RunState) -> dict[str, Any]:
    return {item["metadata"]["name"]: item for item in ports.source.list(CONFIG_MAP).items}


def create(name: str) -> Create:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "n"}}
    return Create("source", CONFIG_MAP, body)


def patch(name: str, **data: str) -> Patch:
    return Patch("source", CONFIG_MAP, name, "n", {"data": data})
