"""The identity of this process, and whether another process that once ran on this machine is certainly gone."""

from __future__ import annotations

import getpass
import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """`who` and `pid` are for display. `mark` identifies the process: its boot of the kernel and its namespace of
    process numbers, its number, and its start time; "" if the system does not provide them."""

    who: str
    pid: int
    mark: str


def current() -> Process:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = str(os.getuid())
    pid = os.getpid()
    place, began = _kernel_and_namespace(), _start_time(pid)
    mark = f"{place}/{pid}/{began}" if place and began else ""
    return Process(f"{user}@{platform.node() or 'unknown'}", pid, mark)


def is_gone(mark: str) -> bool:
    """True if the process with this mark ran here and no longer runs. Any doubt is no proof: another machine or
    container, a reboot since, a system without this data."""
    place, pid, began = ([*mark.split("/"), "", "", ""])[:3]
    if not place or place != _kernel_and_namespace() or not pid.isdigit() or not began:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    now = _start_time(int(pid))
    return bool(now) and now != began


def _kernel_and_namespace() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        space = str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""
    return f"{boot}.{''.join(filter(str.isdigit, space))}"


def _start_time(pid: int) -> str:
    """In ticks since the boot; the program's name before it may hold any character."""
    with suppress(OSError, IndexError):
        return (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    return ""
