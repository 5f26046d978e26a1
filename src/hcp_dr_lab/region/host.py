"""The host's side of a region: requirements of the machine, the link into the region, and cleanup.

Two things on the host outlive a region's first process: the state folder and the control groups. The link pair is
created before the namespace, because the link's name reserves the region's number.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hcp_dr_lab import tools
from hcp_dr_lab.ground.errors import HostUnfit

CNI_FOLDER = Path("/usr/lib/cni")
_INSTALLER = Path(tools.__file__).with_name("host-packages.sh")
_CNI_PLUGINS = ("bridge", "host-local", "loopback")
_PROGRAMS = {
    "unshare": "util-linux",
    "mount": "util-linux",
    "ip": "iproute2",
    "ldd": "libc-bin",
    "bash": "bash",
    "curl": "curl",
    "runc": "runc",
}
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NUMBERS = range(100)
_WATCHES = Path("/proc/sys/fs/inotify/max_user_instances")
_WATCHES_NEEDED = 1024


def require() -> None:
    """Raises HostUnfit with all missing requirements."""
    if sys.platform != "linux":
        raise HostUnfit(f"The rehearsal region requires Linux namespaces; this is {sys.platform}. Nothing was changed.")
    if os.geteuid() != 0:
        raise HostUnfit(
            "The rehearsal region needs root, for namespaces, links and control groups. Nothing was changed. "
            "Run the command again as root (sudo)."
        )
    missing = {package for program, package in _PROGRAMS.items() if shutil.which(program, path=_SYSTEM_PATH) is None}
    if not all((CNI_FOLDER / plugin).exists() for plugin in _CNI_PLUGINS):
        missing.add("containernetworking-plugins")
    if missing:
        names = " ".join(sorted(missing))
        raise HostUnfit(
            f"This machine lacks programs that the region needs (Debian packages: {names}; CNI plugins are expected in "
            f"{CNI_FOLDER}). Nothing was changed. Run `sh {_INSTALLER}` as root, or install the packages, and run the "
            "command again."
        )


def allow_watches(base: Path, say: Callable[[str], None], setting: Path = _WATCHES) -> None:
    """Raise the limit of inotify instances: a region needs about sixty for one user; the kernel's default is 128.

    The original limit is first stored in `base`, the parent of the regions' folders, so that the last region can
    restore it, even after a failure of the region that raised it.
    """
    with _watches_alone(base) as memory:
        allowed = int(setting.read_text("ascii"))
        if allowed < _WATCHES_NEEDED:
            memory.write_text(f"{allowed}\n", "ascii")
            setting.write_text(str(_WATCHES_NEEDED), "ascii")
            say(f"raised fs.inotify.max_user_instances of this machine from {allowed} to {_WATCHES_NEEDED}")


def restore_watches(base: Path, say: Callable[[str], None], setting: Path = _WATCHES) -> None:
    """Restore the limit when no region is left, unless it was changed by another program."""
    with _watches_alone(base) as memory:
        if not memory.exists() or any(base.glob("[a-z0-9]*/region.json")):
            return
        before = int(memory.read_text("ascii"))
        if int(setting.read_text("ascii")) == _WATCHES_NEEDED:
            setting.write_text(str(before), "ascii")
            say(f"restored fs.inotify.max_user_instances of this machine to {before}")
        memory.unlink()


@contextmanager
def _watches_alone(base: Path) -> Iterator[Path]:
    """Return the file with the original limit, locked against other processes."""
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (base / ".inotify.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield base / ".inotify"


def environment() -> dict[str, str]:
    """Return the environment of the region's processes: only PATH and HOME of the caller."""
    return {
        "PATH": _SYSTEM_PATH,
        "HOME": os.environ.get("HOME") or "/root",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }


def reserve_link() -> int:
    """Create the link pair with the lowest free number; both ends are still on the host."""
    taken = link_names()
    for number in _NUMBERS:
        if host_link(number) in taken or _routed(number):
            continue
        added = _ip("link", "add", host_link(number), "type", "veth", "peer", "name", region_link(number))
        if added.returncode == 0:
            return number
        if "exists" not in added.stderr.lower():
            raise HostUnfit(f"Cannot create a link pair: {added.stderr.strip()}. Nothing was changed.")
    raise HostUnfit(
        "All hundred networks 10.77.N.0/30 for regions are in use. Stop other regions and run the command again."
    )


def hand_over_link(number: int, pid: int) -> None:
    """Move the region's end into the network namespace of process `pid`, and set the host end's address."""
    for arguments in (
        ("link", "set", region_link(number), "netns", str(pid)),
        ("address", "add", f"10.77.{number}.1/30", "dev", host_link(number)),
        ("link", "set", host_link(number), "up"),
    ):
        done = _ip(*arguments)
        if done.returncode != 0:
            raise HostUnfit(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}.")


def remove_link(number: int) -> None:
    """Remove the link pair, if present."""
    if host_link(number) in link_names():
        _ip("link", "delete", host_link(number))


def link_names() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def host_link(number: int) -> str:
    return f"hcpdr{number}"


def region_link(number: int) -> str:
    return f"hcpdr{number}-region"


def started_at(pid: int) -> int | None:
    """Return the start time of a process in clock ticks since boot; with the PID it identifies a process uniquely."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = status.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def _routed(number: int) -> bool:
    return bool(_ip("-4", "-oneline", "address", "show", "to", f"10.77.{number}.0/24").stdout.strip())


def _ip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
