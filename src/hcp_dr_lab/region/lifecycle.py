"""Up, status and down of a region, from its host.

A region is identified by its state folder and its first process. The folder stores the process's PID and start time, so
that a reused PID is not mistaken for the region. `up` and `down` first clear leftovers of earlier attempts.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hcp_dr_lab.ground import layout
from hcp_dr_lab.ground.errors import LabError, NoRegion, PartFailed, Refused
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Controllers, Layout, RegionOptions
from hcp_dr_lab.hosted.cluster import Options, population
from hcp_dr_lab.hosted.provision import provision
from hcp_dr_lab.region import host, supervisor
from hcp_dr_lab.region.control import Control, PartStatus, Status
from hcp_dr_lab.region.machines import cgroups, disks
from hcp_dr_lab.region.management import control_plane
from hcp_dr_lab.tools import binaries

HOSTED_CLUSTER = "shop"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,29}")
_FIRST_SECONDS = 20.0
_DEATH_SECONDS = 20.0
_LINES_OF_LOG = 20

_DETACHED: list[subprocess.Popen[bytes]] = []  # regions started by this process without waiting for their end

Say = Callable[[str], None]
_PLAIN = RegionOptions()
_PLAIN_CLUSTER = Options()


@dataclass(frozen=True, slots=True)
class FirstProcess:
    """The region's first process, as seen on the host."""

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        return host.started_at(self.pid) == self.started


def up(name: str, say: Say, *, options: RegionOptions = _PLAIN, keep: bool = False) -> Layout:
    """Start the region without a hosted cluster, or find it running.

    On failure the region is stopped again unless `keep`.
    """
    with _standing(name, say, options, keep=keep) as region:
        return region


def up_with_cluster(
    name: str, say: Say, *, options: RegionOptions = _PLAIN, hosted: Options = _PLAIN_CLUSTER, keep: bool = False
) -> tuple[Layout, str]:
    """Like `up`, with a hosted cluster in service on the first management cluster. Also return the hosted cluster's
    name: `HOSTED_CLUSTER` unless the user brings a hosted cluster."""
    with _standing(name, say, options, keep=keep) as region:
        provision(region, HOSTED_CLUSTER, say, hosted)
        return region, population(HOSTED_CLUSTER, hosted)[0][0].name


@contextmanager
def _standing(name: str, say: Say, options: RegionOptions, *, keep: bool) -> Iterator[Layout]:
    """Yield the locked region. A region started here is stopped after an error."""
    host.require()
    root = folder(name)
    with _alone(root):
        standing = find(name)
        if standing is not None and Control(standing).status().state == "ready":
            if standing.options != options:
                raise LabError(
                    f"The region {name} is already running with other options. It was left unchanged. Use another "
                    f"--name, or stop this region first: `hcp-dr-lab down --name {name}`."
                )
            say(f"region {name} is already running")
            yield standing
            return
        if root.exists():
            say(f"removing leftovers of an earlier region {name}")
        clear(root)
        real = options.controllers is Controllers.REAL
        programs = binaries.find(say, programs=(*binaries.PROGRAMS, *(binaries.CONTROLLERS if real else ())))
        try:
            region = _create(name, root, programs, options, say)
            host.allow_watches(root.parent, say)
            _bring_up(region, say)
            yield region
        except BaseException:
            if keep:
                say(f"kept: {root}; logs in {root / 'log'}; remove with `hcp-dr-lab down --name {name}`")
            else:
                say(f"stopping region {name} again; use --keep to keep it")
                clear(root)
                host.restore_watches(root.parent, say)
            raise


def down(name: str, say: Say) -> None:
    """Stop the region in any state; does nothing if there is no region."""
    host.require()
    root = folder(name)
    with _alone(root):
        if root.exists():
            clear(root)
            say(f"region {name} is gone")
        else:
            say(f"there is no region {name}")
        host.restore_watches(root.parent, say)


def status(name: str) -> tuple[Layout, Status]:
    """Return the current status of every part. Raises NoRegion."""
    region = standing(name)
    return region, Control(region).status(probe=True)


def faults(region: Layout) -> list[dict[str, Any]] | None:
    """Return a row for each active fault, or None if the fault proxy does not answer."""
    try:
        return Control(region).faults()[0]
    except Refused:
        return None


def standing(name: str) -> Layout:
    """Raises NoRegion."""
    region = find(name)
    if region is None:
        raise NoRegion(
            f"There is no region {name} ({folder(name)}). Start it with `hcp-dr-lab up --name {name}`; "
            "`hcp-dr-lab down` removes leftovers of an earlier region."
        )
    return region


def find(name: str) -> Layout | None:
    """Return the region if its first process is alive."""
    root = folder(name)
    first = _first_process(root)
    return layout.load(root) if first is not None and first.alive else None


def folder(name: str) -> Path:
    """Return the state folder of a region. Raises LabError for an invalid name."""
    if not _NAME.fullmatch(name):
        raise LabError(
            f"{name!r} cannot be the name of a region: use at most thirty lowercase letters, digits and hyphens, "
            "starting with a letter or digit. Nothing was changed. Choose another --name."
        )
    base = os.environ.get("XDG_STATE_HOME") or str(Path(os.environ.get("HOME") or "/root") / ".local" / "state")
    return Path(base).absolute() / "hcp-dr-lab" / name


def clear(root: Path) -> None:
    """Kill the first process and remove everything that belongs to the region. Raises LabError if something remains."""
    first = _first_process(root)
    if first is not None and first.alive:
        _kill(first)
    with suppress(FileNotFoundError, ValueError, KeyError):
        host.remove_link(layout.load(root).number)
    left = cgroups.remove(f"hcp-dr-lab-{root.name}")
    if left:
        raise LabError(
            f"Cannot remove these control groups of the region {root.name}: {', '.join(map(str, left))}. Everything "
            "else was removed. Find the running processes in their cgroup.procs, and run `down` again."
        )
    if root.exists():
        shutil.rmtree(root)


def log_tail(region: Layout, part: str, lines: int = _LINES_OF_LOG) -> str:
    """Return the last lines of a part's log."""
    try:
        content = supervisor.log_file(region.logs, part).read_text("utf-8", "replace")
    except FileNotFoundError:
        return "(the log is empty)"
    return "\n".join(content.splitlines()[-lines:]) or "(the log is empty)"


def _create(name: str, root: Path, programs: dict[str, Path], options: RegionOptions, say: Say) -> Layout:
    """Create the state folder with the parts' input files."""
    root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    root.mkdir(mode=0o700)
    region = Layout(name, host.reserve_link(), root, options)
    layout.save(region)
    region.logs.mkdir()
    binaries.link(programs, root / "bin")
    disks.provide(region, binaries.cache_folder(os.environ), say)
    for cluster in MANAGEMENT_CLUSTERS:
        control_plane.prepare(region, cluster)
    return region


def _bring_up(region: Layout, say: Say) -> None:
    began = time.monotonic()
    first = _start_first_process(region)
    _await_parts(region, first, say)
    say(f"region {region.name} is running after {time.monotonic() - began:.0f} s")


def _start_first_process(region: Layout) -> FirstProcess:
    """Start the first process, detached and in its own namespaces, and move its end of the link there."""
    reading, writing = os.pipe()
    with (region.logs / "first.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *("unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"),
                *(sys.executable, "-m", "hcp_dr_lab.region.first", str(region.root), str(writing)),
            ],
            env=host.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(writing,),
            start_new_session=True,
            cwd="/",
        )
    os.close(writing)
    _DETACHED.append(process)
    first = FirstProcess(process.pid, host.started_at(process.pid) or 0)
    process_file = _process_file(region.root)
    process_file.write_text(json.dumps({"pid": first.pid, "started": first.started}), "utf-8")
    with os.fdopen(reading, "rb") as answer:
        if answer.read(1) != b"1":
            raise PartFailed(f"The region's first process ended at once.\n{log_tail(region, 'first')}")
    host.hand_over_link(region.number, process.pid)
    return first


def _await_parts(region: Layout, first: FirstProcess, say: Say) -> None:
    """Report parts as they start; raise PartFailed at the first failure."""
    control = Control(region)
    reported: dict[str, str] = {}
    deadline = time.monotonic() + _FIRST_SECONDS
    while True:
        if not first.alive:
            raise PartFailed(f"The region's first process ended.\n{log_tail(region, 'first')}")
        try:
            status = control.status()
        except NoRegion:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
            continue
        deadline = time.monotonic() + _FIRST_SECONDS
        for part in status.parts:
            if reported.get(part.name) != part.state:
                reported[part.name] = part.state
                _report(part, say)
        _raise_for_failed(region, status)
        if status.parts and status.state == "ready":
            return
        time.sleep(0.1)


def _report(part: PartStatus, say: Say) -> None:
    match part.state:
        case "starting":
            say(f"{part.name}: starting")
        case "serving" | "done":
            say(f"{part.name}: ready in {part.seconds:.1f} s")


def _raise_for_failed(region: Layout, status: Status) -> None:
    if status.state == "failed":
        broken = [part for part in status.parts if part.state in {"failed", "ended"}]
        first_cause = next((part for part in broken if part.pid is not None), broken[0])
        raise PartFailed(
            f"The part {first_cause.name} of the region {region.name} failed: {first_cause.why}. "
            f"Its last lines:\n{log_tail(region, first_cause.name)}"
        )


def _process_file(root: Path) -> Path:
    return root / "process.json"


def _first_process(root: Path) -> FirstProcess | None:
    try:
        return FirstProcess(**json.loads(_process_file(root).read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _kill(first: FirstProcess) -> None:
    """Kill the first process, and wait until the kernel has killed all processes in its namespaces."""
    with suppress(ProcessLookupError):
        os.kill(first.pid, signal.SIGKILL)
    deadline = time.monotonic() + _DEATH_SECONDS
    while first.alive:
        if time.monotonic() > deadline:
            raise LabError(f"The region's first process (PID {first.pid}) cannot be killed. Nothing was removed.")
        time.sleep(0.05)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Allow one command at a time to change a region."""
    root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = root.parent / f".{root.name}.lock"
    with file.open("w") as lock:
        if not _locked(lock, file):
            raise LabError(
                f"Another command is changing the region {root.name}. Nothing was changed. Try again after its end."
            )
        yield
        if not root.exists():
            file.unlink(missing_ok=True)


def _locked(lock: IO[str], file: Path) -> bool:
    """Return whether this process has the lock, and the locked file is still the current lock file."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(lock.fileno()).st_ino == file.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False
