"""The machines on which tests run and kill the real `hcp-dr`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hcp_dr.engine import journal
from hcp_dr.engine.journal import JournalState
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground.layout import Layout
from tests.region.conftest import eventually, say

PROGRAM = str(Path(sys.executable).with_name("hcp-dr"))
_PLACES = ("BACKUP_DIR=", "HC_CLUSTER_DIR=")
_ELSEWHERE = ("unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c")


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    stderr: str
    result: str  # stdout


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine with a name is another machine than this: it has this host name, its own process IDs and home, and all
    settings except the backup's folder."""

    env_file: Path
    home: Path | None = None
    name: str = ""

    def start(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        around = drill.surroundings(self.env_file)
        command: tuple[str, ...] = (PROGRAM, *words, "--env-file", str(self.env_file))
        if self.home is not None:
            around = {key: value for key, value in around.items() if not key.startswith("XDG_")}
            around |= {"HOME": str(self.home)}
            command = (*_ELSEWHERE, f'echo {self.name} > /proc/sys/kernel/hostname && exec "$0" "$@"', *command)
        return subprocess.Popen(command, env=around, stdin=subprocess.DEVNULL, text=True, **more)

    def run(self, *words: str) -> Ended:
        began = time.monotonic()
        process = self.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            stdout, stderr = process.communicate(timeout=600)
        finally:
            process.kill()
        where = self.name or "here"
        say(f"{where}: {' '.join(words)}: exit code {process.returncode} after {time.monotonic() - began:.0f} s")
        say(stderr[-1500:] + stdout[-1500:])
        return Ended(process.returncode, stderr, stdout)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "-o", "json").result)
        return found

    @property
    def folder(self) -> Path:
        """The folder with its journal."""
        if self.home is not None:
            [found] = self.home.glob(".local/state/hcp-dr/*/*/*")
            return found
        return Path(
            next(
                line.removeprefix(_PLACES[0])
                for line in self.env_file.read_text().splitlines()
                if line.startswith(_PLACES[0])
            )
        )

    def story(self) -> JournalState:
        return journal.read(self.folder) or JournalState()

    def reaches(self, process: subprocess.Popen[str], line: str, step: str) -> None:
        """Wait until its process has written this line of this step."""

        def written() -> bool:
            return any((each.get("line"), each.get("step")) == (line, step) for each in self.story().lines)

        eventually(lambda: process.poll() is not None or written(), 300, f"{line} {step}")
        assert process.poll() is None, f"it ended before {line} {step}, with exit code {process.returncode}"

    def killed(self, words: tuple[str, ...], line: str, step: str) -> None:
        """Run until the line is written, then kill -9."""
        process = self.start(*words, stdout=subprocess.DEVNULL)
        try:
            self.reaches(process, line, step)
        finally:
            process.kill()
            process.wait()


def elsewhere(layout: Layout, env_file: Path, home: Path, name: str) -> Machine:
    """Return another machine with only the settings of this env file."""
    kept = [line for line in env_file.read_text().splitlines(keepends=True) if not line.startswith(_PLACES)]
    mine = layout.root / f"{name}.{env_file.name}"
    mine.touch(0o600)
    mine.write_text("".join(kept))
    home.mkdir()
    return Machine(mine, home, name)
