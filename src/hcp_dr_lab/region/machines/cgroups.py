"""Control groups of the region's nodes. The kubelet requires that its root group exists with every controller.

The changes are planned as values from the mount table, because a machine has either version 1 (one hierarchy for each
controller) or version 2 (one for all, controllers enabled by `cgroup.subtree_control`), and both plans can be tested on
any machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """The mount points of control groups: version 1 hierarchies, and the version 2 hierarchy (possibly both)."""

    version_1: tuple[Path, ...]
    version_2: Path | None


@dataclass(frozen=True, slots=True)
class Make:
    """Create a group."""

    group: Path


@dataclass(frozen=True, slots=True)
class Inherit:
    """Copy a setting of a group from its parent; with an empty setting no process can join the group."""

    setting: Path


@dataclass(frozen=True, slots=True)
class HandDown:
    """Enable the group's controllers for its children."""

    group: Path
    controllers: tuple[str, ...]


Order = Make | Inherit | HandDown


def hierarchies(mounts: str) -> Hierarchies:
    """Parse the text of /proc/mounts."""
    rows = [line.split() for line in mounts.splitlines() if line]
    version_1 = tuple(Path(row[1]) for row in rows if row[2] == "cgroup")
    version_2 = [Path(row[1]) for row in rows if row[2] == "cgroup2"]
    return Hierarchies(version_1, version_2[0] if version_2 else None)


def plan(found: Hierarchies, group: str) -> tuple[Order, ...]:
    """Plan the creation of `group`, a path like region/node, with all controllers."""
    names = [name for name in group.split("/") if name]
    if found.version_1:
        return tuple(_version_1(found.version_1, names))
    if found.version_2:
        return tuple(_version_2(found.version_2, names))
    return ()


def _version_1(roots: tuple[Path, ...], names: list[str]) -> Iterable[Order]:
    for root in roots:
        group = root
        for name in names:
            group /= name
            yield Make(group)
            if "cpuset" in root.name.split(","):
                yield Inherit(group / "cpuset.cpus")
                yield Inherit(group / "cpuset.mems")


def _version_2(root: Path, names: list[str]) -> Iterable[Order]:
    group = root
    for name in names:
        yield HandDown(group, _CONTROLLERS)
        group /= name
        yield Make(group)


def create(group: str) -> None:
    """Create the group on this machine. Raises OSError."""
    for order in plan(hierarchies(Path("/proc/mounts").read_text("utf-8")), group):
        match order:
            case Make(path):
                path.mkdir(exist_ok=True)
            case Inherit(setting):
                if not setting.read_text("ascii").strip():
                    setting.write_text((setting.parent.parent / setting.name).read_text("ascii"), "ascii")
            case HandDown(path, controllers):
                available = (path / "cgroup.controllers").read_text("ascii").split()
                wanted = " ".join(f"+{controller}" for controller in controllers if controller in available)
                (path / "cgroup.subtree_control").write_text(wanted, "ascii")


def existing(group: str) -> list[Path]:
    """The group's folders in every hierarchy of this machine."""
    found = hierarchies(Path("/proc/mounts").read_text("utf-8"))
    roots = [*found.version_1, *([found.version_2] if found.version_2 else [])]
    return [root / group for root in roots if (root / group).is_dir()]


def remove(group: str, patience: float = 10) -> list[Path]:
    """Remove the group and all child groups, deepest first. Return the groups left after `patience` seconds."""
    deadline = time.monotonic() + patience
    while left := existing(group):
        for top in left:
            for folder in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
                _remove(folder)
            _remove(top)
        if time.monotonic() > deadline:
            return existing(group)
        if existing(group):
            time.sleep(0.1)
    return []


def _remove(group: Path) -> None:
    try:
        group.rmdir()
    except OSError:
        return  # a process is still ending; `remove` tries again
