"""Which process this is, and whether another one that once ran on this very machine is gone for certain."""

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
    """`who` and `pid` are for people. `mark` finds the process again: where it runs (this boot of this kernel, this
    space of process numbers), its number, and when it began; "" where the system does not tell."""

    who: str
    pid: int
    mark: str


def current() -> Process:
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        user = str(os.getuid())
    pid = os.getpid()
    place, began = _place(), _began(pid)
    mark = f"{place}/{pid}/{began}" if place and began else ""
    return Process(f"{user}@{platform.node() or 'unknown'}", pid, mark)


def is_gone(mark: str) -> bool:
    """True where the process of this mark ran here and runs no more. Everything else is no proof: another machine or
    container, a reboot since, a system that does not tell."""
    place, pid, began = ([*mark.split("/"), "", "", ""])[:3]
    if not place or place != _place() or not pid.isdigit() or not began:
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    now = _began(int(pid))
    return bool(now) and now != began


def _place() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        space = str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""
    return f"{boot}.{''.join(filter(str.isdigit, space))}"


def _began(pid: int) -> str:
    """In ticks since the boot; the name of the program before it may hold anything."""
    with suppress(OSError, IndexError):
        return (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[19]
    return ""
