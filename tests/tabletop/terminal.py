"""The command line on the tabletop: the real program, as an engineer calls it on a terminal, over a world in memory."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.cli import main, options
from hcp_dr.cli.progress import ProgressPrinter
from hcp_dr.commands import environment
from hcp_dr.commands.context import Context
from hcp_dr.engine.progress import Progress
from hcp_dr_lab.ground.layout import BUCKET, HOSTED_DOMAIN
from hcp_dr_lab.tabletop.operator import JumpingClock
from tests.tabletop.scene import Scene, twin


@dataclass(frozen=True, slots=True)
class Ended:
    """`code` is None if the process was killed."""

    code: int | None
    out: str
    err: str

    @property
    def paragraph(self) -> str:
        """The error, without the progress before it."""
        return next((line for line in reversed(self.err.splitlines()) if line.startswith("hcp-dr: ")), "")


@dataclass(frozen=True, slots=True)
class Saved:
    here: Scene
    files: Mapping[Path, bytes]


class Keyboard(io.StringIO):
    """Types a line, and is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass(slots=True)
class Terminal:
    """One engineer's machine, with the settings in the file `env`. Processes run one after another."""

    here: Scene
    home: Path
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]
    source: int = 1
    machine: str = "bastion"
    settings: dict[str, str] = field(default_factory=dict)
    on_step: Callable[[str], None] | None = None
    _processes: int = 0

    def __post_init__(self) -> None:
        self.home.mkdir(exist_ok=True)
        sides = [side.name for side in self.here.world.sides]
        names = self.here.world.residents[self.here.operator.name].names
        self.settings = {
            "HC_CLUSTER_NS": names.namespace,
            "HC_CLUSTER_NAME": names.name,
            "MGMT_KUBECONFIG": str(self.home / "one"),
            "MGMT2_KUBECONFIG": str(self.home / "two"),
            "HC_KUBECONFIG": str(self.home / "hosted"),
            "BUCKET_NAME": BUCKET,
            "AWS_ZONE_ID": self.here.world.cloud.zone_id,
            "EXTERNAL_DNS_DOMAIN": HOSTED_DOMAIN,
            "MGMT_CLUSTER_NAME": sides[self.source - 1],
            "MGMT2_CLUSTER_NAME": sides[2 - self.source],
            "BACKUP_DIR": str(self.home / "backup"),
            **self.settings,
        }

    @property
    def backup(self) -> Path:
        return Path(self.settings["BACKUP_DIR"])

    @property
    def env_file(self) -> Path:
        return self.home / "env"

    def __call__(self, *words: str) -> Ended:
        """`hcp-dr` with these words and the settings in an env file."""
        return self.run(*words, "--env-file", str(self.env_file))

    def run(self, *words: str) -> Ended:
        """`hcp-dr` with these words alone."""
        self._processes += 1
        self.env_file.write_text("".join(f"{name}={value}\n" for name, value in self.settings.items() if value))
        self.patch.setenv("XDG_STATE_HOME", str(self.home / "state"))
        self.patch.setattr(environment, "Context", self._context)
        self.patch.setattr(options, "ProgressPrinter", self._printer)
        self.patch.setattr(sys, "argv", ["hcp-dr", *words])
        self.patch.setattr(sys, "stdin", Keyboard(f"{self.settings['HC_CLUSTER_NAME']}\n"))
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        captured = self.capture.readouterr()
        return Ended(code, captured.out, captured.err)

    def _context(self, **given: Any) -> Context:
        operator = self.here.operator
        operator.source, operator.machine = self.source, self.machine
        template = operator.context()
        return Context(
            **{
                **given,
                "connections": template.connections,
                "clock": JumpingClock(self.here.world.clock),
                "process": replace(template.process, who=f"engineer@{self.machine}"),
                "is_gone": template.is_gone,
                "hands": 1,
            }
        )

    def save(self) -> Saved:
        """This moment, as a process leaves it that is killed now: the world, and the files of this machine."""
        files = {path.relative_to(self.home): path.read_bytes() for path in self.home.rglob("*") if path.is_file()}
        return Saved(twin(self.here), files)

    def load(self, saved: Saved) -> None:
        """Go back to that moment; it can be loaded again."""
        shutil.rmtree(self.home)
        self.here = twin(saved.here)
        for path, data in saved.files.items():
            (self.home / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.home / path).write_bytes(data)
        self.home.mkdir(exist_ok=True)

    def read(self, path: Path) -> bytes | None:
        """A file of this machine."""
        return (self.home / path).read_bytes() if (self.home / path).exists() else None

    def _printer(self) -> Callable[[Progress], None]:
        printer = ProgressPrinter()

        def show(progress: Progress) -> None:
            printer(progress)
            if progress.kind == "begin" and self.on_step is not None:
                self.on_step(progress.step)

        return show
