"""The host's side of a region: what the machine must have, the link into the region, and the traces to remove.

A region leaves two things on its host that do not vanish with its first process: its state folder and its control
groups. The link pair is made before the namespace is, because its name is what reserves a region's number.
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
    """Raises HostUnfit, naming all that is missing at once."""
    if sys.platform != "linux":
        raise HostUnfit(f"The rehearsal region is made of Linux namespaces; this is {sys.platform}. Nothing was done.")
    if os.geteuid() != 0:
        raise HostUnfit(
            "The rehearsal region needs root: it makes namespaces, links and control groups. Nothing was done. "
            "Run the command again as root (sudo)."
        )
    missing = {package for program, package in _PROGRAMS.items() if shutil.which(program, path=_SYSTEM_PATH) is None}
    if not all((CNI_FOLDER / plugin).exists() for plugin in _CNI_PLUGINS):
        missing.add("containernetworking-plugins")
    if missing:
        names = " ".join(sorted(missing))
        raise HostUnfit(
            f"This machine lacks programs that the region is made of (Debian's packages: {names}; the CNI plugins are "
            f"looked for in {CNI_FOLDER}). Nothing was done. Run `sh {_INSTALLER}` as root, or install them, "
            "and run the command again."
        )


def allow_watches(base: Path, say: Callable[[str], None], setting: Path = _WATCHES) -> None:
    """A region holds some sixty inotify instances, all of one user; the kernel's default of 128 is soon used up.

    What it was is written down in `base`, where the regions' folders are, before it is raised, so that whichever
    region goes last can put it back, however the one that raised it ended.
    """
    with _watches_alone(base) as memory:
        allowed = int(setting.read_text("ascii"))
        if allowed < _WATCHES_NEEDED:
            memory.write_text(f"{allowed}\n", "ascii")
            setting.write_text(str(_WATCHES_NEEDED), "ascii")
            say(f"raised fs.inotify.max_user_instances of this machine from {allowed} to {_WATCHES_NEEDED}")


def restore_watches(base: Path, say: Callable[[str], None], setting: Path = _WATCHES) -> None:
    """Put the limit back when no region is left; one that somebody else has changed since is theirs."""
    with _watches_alone(base) as memory:
        if not memory.exists() or any(base.glob("[a-z0-9]*/region.json")):
            return
        before = int(memory.read_text("ascii"))
        if int(setting.read_text("ascii")) == _WATCHES_NEEDED:
            setting.write_text(str(before), "ascii")
            say(f"put fs.inotify.max_user_instances of this machine back to {before}")
        memory.unlink()


@contextmanager
def _watches_alone(base: Path) -> Iterator[Path]:
    """The file that remembers the limit, while nobody else looks at it."""
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (base / ".inotify.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield base / ".inotify"


def environment() -> dict[str, str]:
    """What the region's processes start with: nothing of the caller's but the way to programs and home."""
    return {
        "PATH": _SYSTEM_PATH,
        "HOME": os.environ.get("HOME") or "/root",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }


def reserve_link() -> int:
    """Make the link pair of the lowest free number; both ends are still on the host."""
    taken = link_names()
    for number in _NUMBERS:
        if host_link(number) in taken or _routed(number):
            continue
        added = _ip("link", "add", host_link(number), "type", "veth", "peer", "name", region_link(number))
        if added.returncode == 0:
            return number
        if "exists" not in added.stderr.lower():
            raise HostUnfit(f"A link pair cannot be made: {added.stderr.strip()}. Nothing was left behind.")
    raise HostUnfit("All hundred networks 10.77.N.0/30 for regions are taken. Take regions down and run it again.")


def hand_over_link(number: int, pid: int) -> None:
    """Give the region its end, by the PID of a process in its network namespace, and the host end its address."""
    for arguments in (
        ("link", "set", region_link(number), "netns", str(pid)),
        ("address", "add", f"10.77.{number}.1/30", "dev", host_link(number)),
        ("link", "set", host_link(number), "up"),
    ):
        done = _ip(*arguments)
        if done.returncode != 0:
            raise HostUnfit(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}.")


def remove_link(number: int) -> None:
    """Harmless where there is none."""
    if host_link(number) in link_names():
        _ip("link", "delete", host_link(number))


def link_names() -> set[str]:
    return {path.name for path in Path("/sys/class/net").iterdir()}


def host_link(number: int) -> str:
    return f"hcpdr{number}"


def region_link(number: int) -> str:
    return f"hcpdr{number}-region"


def started_at(pid: int) -> int | None:
    """The start time of a process in clock ticks since boot; with the PID it names one process for ever."""
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
