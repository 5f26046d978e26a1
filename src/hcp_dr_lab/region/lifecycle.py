"""Up, status and down of a region, from its host.

A region is known by its state folder and by its first process, named there by PID and start time, so that a PID taken
by another process since is never mistaken for it. Whatever state an earlier try left, `up` and `down` clear it first.
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
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout, RegionOptions
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

_DETACHED: list[subprocess.Popen[bytes]] = []  # regions that this process began and does not wait for

Say = Callable[[str], None]
_PLAIN = RegionOptions()
_PLAIN_CLUSTER = Options()


@dataclass(frozen=True, slots=True)
class FirstProcess:
    """The region's first process as the host sees it."""

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        return host.started_at(self.pid) == self.started


def up(name: str, say: Say, *, options: RegionOptions = _PLAIN, keep: bool = False) -> Layout:
    """Bring the region up without a hosted cluster, or find it standing.

    On failure everything is taken down again unless `keep`.
    """
    with _standing(name, say, options, keep=keep) as region:
        return region


def up_with_cluster(
    name: str, say: Say, *, options: RegionOptions = _PLAIN, hosted: Options = _PLAIN_CLUSTER, keep: bool = False
) -> tuple[Layout, str]:
    """As `up`, with a hosted cluster in service on the first management cluster, and its name: `HOSTED_CLUSTER` where
    nobody brought one."""
    with _standing(name, say, options, keep=keep) as region:
        provision(region, HOSTED_CLUSTER, say, hosted)
        return region, population(HOSTED_CLUSTER, hosted)[0][0].name


@contextmanager
def _standing(name: str, say: Say, options: RegionOptions, *, keep: bool) -> Iterator[Layout]:
    """The region, with nobody else changing it; a region made here does not outlive an error here."""
    host.require()
    root = folder(name)
    with _alone(root):
        standing = find(name)
        if standing is not None and Control(standing).status().state == "ready":
            if standing.options != options:
                raise LabError(
                    f"The region {name} stands already, with other options. It was left as it is. Give it another "
                    f"--name, or take it down first: `hcp-dr-lab down --name {name}`."
                )
            say(f"the region {name} stands already")
            yield standing
            return
        if root.exists():
            say(f"clearing what is left of an earlier region {name}")
        clear(root)
        programs = binaries.find(say)
        try:
            region = _create(name, root, programs, options, say)
            host.allow_watches(root.parent, say)
            _bring_up(region, say)
            yield region
        except BaseException:
            if keep:
                say(f"kept as it is: {root}; logs in {root / 'log'}; `hcp-dr-lab down --name {name}` removes it")
            else:
                say(f"taking the region {name} down again; --keep would leave it")
                clear(root)
                host.restore_watches(root.parent, say)
            raise


def down(name: str, say: Say) -> None:
    """Take the region down, whatever state it is in; harmless where there is none."""
    host.require()
    root = folder(name)
    with _alone(root):
        if root.exists():
            clear(root)
            say(f"the region {name} is gone")
        else:
            say(f"there is no region {name}")
        host.restore_watches(root.parent, say)


def status(name: str) -> tuple[Layout, Status]:
    """Each part asked whether it serves. Raises NoRegion."""
    region = standing(name)
    return region, Control(region).status(probe=True)


def faults(region: Layout) -> list[dict[str, Any]] | None:
    """Those that are set, one row each; None where the fault proxy does not answer."""
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
            "`hcp-dr-lab down` clears what an earlier one may have left."
        )
    return region


def find(name: str) -> Layout | None:
    """The region when its first process lives."""
    root = folder(name)
    first = _first_process(root)
    return layout.load(root) if first is not None and first.alive else None


def folder(name: str) -> Path:
    """The state folder of a region of that name. Raises LabError where that cannot be a region's name."""
    if not _NAME.fullmatch(name):
        raise LabError(
            f"{name!r} cannot be the name of a region: small letters, digits and hyphens, thirty at most, a letter or "
            "digit first. Nothing was done. Give another one with --name."
        )
    base = os.environ.get("XDG_STATE_HOME") or str(Path(os.environ.get("HOME") or "/root") / ".local" / "state")
    return Path(base).absolute() / "hcp-dr-lab" / name


def clear(root: Path) -> None:
    """End the first process and remove every trace of the region. Raises LabError where something stays."""
    first = _first_process(root)
    if first is not None and first.alive:
        _kill(first)
    with suppress(FileNotFoundError, ValueError, KeyError):
        host.remove_link(layout.load(root).number)
    left = cgroups.remove(f"hcp-dr-lab-{root.name}")
    if left:
        raise LabError(
            f"These control groups of the region {root.name} cannot be removed: {', '.join(map(str, left))}. "
            "Everything else is gone. Look in their cgroup.procs for what still runs there and run `down` again."
        )
    if root.exists():
        shutil.rmtree(root)


def log_tail(region: Layout, part: str, lines: int = _LINES_OF_LOG) -> str:
    """The last lines that a part wrote."""
    try:
        content = supervisor.log_file(region.logs, part).read_text("utf-8", "replace")
    except FileNotFoundError:
        return "(it wrote nothing)"
    return "\n".join(content.splitlines()[-lines:]) or "(it wrote nothing)"


def _create(name: str, root: Path, programs: dict[str, Path], options: RegionOptions, say: Say) -> Layout:
    """The state folder with all that the parts read."""
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
    say(f"the region {region.name} stands after {time.monotonic() - began:.0f} s")


def _start_first_process(region: Layout) -> FirstProcess:
    """Detached, in namespaces of its own; then it gets its end of the link."""
    told, tell = os.pipe()
    with (region.logs / "first.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *("unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"),
                *(sys.executable, "-m", "hcp_dr_lab.region.first", str(region.root), str(tell)),
            ],
            env=host.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(tell,),
            start_new_session=True,
            cwd="/",
        )
    os.close(tell)
    _DETACHED.append(process)
    first = FirstProcess(process.pid, host.started_at(process.pid) or 0)
    process_file = _process_file(region.root)
    process_file.write_text(json.dumps({"pid": first.pid, "started": first.started}), "utf-8")
    with os.fdopen(told, "rb") as answer:
        if answer.read(1) != b"1":
            raise PartFailed(f"The region's first process ended at once.\n{log_tail(region, 'first')}")
    host.hand_over_link(region.number, process.pid)
    return first


def _await_parts(region: Layout, first: FirstProcess, say: Say) -> None:
    """Tell of each part as it comes up; raise PartFailed at the first that does not."""
    control = Control(region)
    told: dict[str, str] = {}
    deadline = time.monotonic() + _FIRST_SECONDS
    while True:
        if not first.alive:
            raise PartFailed(f"The region's first process ended.\n{log_tail(region, 'first')}")
        try:
            seen = control.status()
        except NoRegion:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
            continue
        deadline = time.monotonic() + _FIRST_SECONDS
        for part in seen.parts:
            if told.get(part.name) != part.state:
                told[part.name] = part.state
                _tell(part, say)
        _raise_for_failed(region, seen)
        if seen.parts and seen.state == "ready":
            return
        time.sleep(0.1)


def _tell(part: PartStatus, say: Say) -> None:
    match part.state:
        case "starting":
            say(f"{part.name}: starting")
        case "serving" | "done":
            say(f"{part.name}: ready in {part.seconds:.1f} s")


def _raise_for_failed(region: Layout, seen: Status) -> None:
    if seen.state == "failed":
        broken = [part for part in seen.parts if part.state in {"failed", "ended"}]
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
    """Its death ends every process of its namespaces; wait until the kernel has done so."""
    with suppress(ProcessLookupError):
        os.kill(first.pid, signal.SIGKILL)
    deadline = time.monotonic() + _DEATH_SECONDS
    while first.alive:
        if time.monotonic() > deadline:
            raise LabError(f"The region's first process (PID {first.pid}) does not die. Nothing else was removed.")
        time.sleep(0.05)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One command at a time changes a region."""
    root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = root.parent / f".{root.name}.lock"
    with file.open("w") as lock:
        if not _locked(lock, file):
            raise LabError(
                f"Another command is changing the region {root.name}. Nothing was done. Run this again when it is done."
            )
        yield
        if not root.exists():
            file.unlink(missing_ok=True)


def _locked(lock: IO[str], file: Path) -> bool:
    """Whether the lock is ours, and is still the file that others will lock."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(lock.fileno()).st_ino == file.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False
