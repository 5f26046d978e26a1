"""Control groups of the region's nodes. The kubelet wants its root group to be there with every controller in it.

What is to be made is planned as a value from the mount table, because a machine has either version 1 (one hierarchy for
each controller) or version 2 (one for all, controllers handed down by `cgroup.subtree_control`), and each is planned
the same wherever the planning runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """Where control groups are mounted: version 1 hierarchies, and the version 2 one (which may be beside them)."""

    version_1: tuple[Path, ...]
    version_2: Path | None


@dataclass(frozen=True, slots=True)
class Make:
    """Make a group."""

    group: Path


@dataclass(frozen=True, slots=True)
class Inherit:
    """Fill a setting of a group from the same setting of its parent; an empty one admits no process."""

    setting: Path


@dataclass(frozen=True, slots=True)
class HandDown:
    """Make those controllers that the group has available to its children."""

    group: Path
    controllers: tuple[str, ...]


Order = Make | Inherit | HandDown


def hierarchies(mounts: str) -> Hierarchies:
    """From the text of /proc/mounts."""
    rows = [line.split() for line in mounts.splitlines() if line]
    version_1 = tuple(Path(row[1]) for row in rows if row[2] == "cgroup")
    version_2 = [Path(row[1]) for row in rows if row[2] == "cgroup2"]
    return Hierarchies(version_1, version_2[0] if version_2 else None)


def plan(found: Hierarchies, group: str) -> tuple[Order, ...]:
    """How `group`, a path like region/node, comes to be with all controllers in it."""
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
    """Make the group on this machine. Raises OSError."""
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
    """Remove the group and all below it, deepest first. What is left after `patience` seconds is returned."""
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
        return  # a process of it is still dying; `remove` comes again
