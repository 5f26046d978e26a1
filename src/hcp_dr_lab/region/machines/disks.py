"""The initial disks of nodes: containerd's folder with the images already imported.

Importing half a gigabyte of images takes eight seconds of CPU time per node. So the import is done once for this user,
in a separate namespace, and cached; a node's disk consists of links to the cache. containerd never changes a blob or a
snapshot's file in place, so only other files are copied. The images trust one certificate authority, so the authority
is cached with the images and used for all regions of this user.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hcp_dr_lab.ground.errors import LabError
from hcp_dr_lab.ground.layout import Controllers, Layout
from hcp_dr_lab.ground.pki import CertificateAuthority, KeyPair
from hcp_dr_lab.region.machines import images, rootfs
from hcp_dr_lab.region.machines.images import Image

_NEVER_CHANGED = ("io.containerd.content.v1.content/blobs", "io.containerd.snapshotter.v1.overlayfs/snapshots")

_CONTAINERD_SECONDS = 30.0

Say = Callable[[str], None]


def provide(layout: Layout, cache: Path, say: Say) -> None:
    """Provide the region's authority and disks, from the cache or newly created."""
    programs = layout.program("containerd").parent
    with _alone(cache):
        authority = _authority(cache / "authority")
        authority.write(layout.ca_file.with_suffix(""))
        wanted = {
            "management": rootfs.management_images(programs, authority.cert_pem.decode("ascii")),
            "worker": rootfs.worker_images(programs),
        }
        for name, contents in wanted.items():
            kept = f"real-{name}" if layout.options.controllers is Controllers.REAL and name == "management" else name
            clone(_make_disk(cache / "disks", kept, contents, programs, say), layout.disk(name))


def clone(disk: Path, target: Path) -> None:
    """Create a disk that shares immutable files with `disk`. Copies files if the target is on another file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(disk, target, symlinks=True, copy_function=_link_or_copy(disk))
    except shutil.Error as error:
        raise LabError(f"The disk {disk} cannot be copied to {target}: {error}.") from error


def snapshotter(folder: Path, mounts: str) -> str:
    """Choose containerd's snapshotter for `folder` from the text of /proc/mounts: overlays on overlayfs do not work."""
    rows = [line.split() for line in mounts.splitlines() if line]
    above = [(row[1], row[2]) for row in rows if folder.is_relative_to(row[1])]
    return "native" if max(above, key=lambda row: len(row[0]), default=("/", ""))[1] == "overlay" else "overlayfs"


def await_socket(address: str, containerd: subprocess.Popen[bytes]) -> None:
    """Wait until containerd accepts connections. Raises TimeoutError."""
    deadline = time.monotonic() + _CONTAINERD_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as connection:
            if connection.connect_ex(address) == 0:
                return
        if containerd.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"containerd does not serve (exit code {containerd.poll()})")
        time.sleep(0.05)


def _link_or_copy(disk: Path) -> Callable[[str, str], None]:
    shared = tuple(f"{disk / part}/" for part in _NEVER_CHANGED)

    def place(source: str, target: str) -> None:
        if source.startswith(shared):
            with suppress(OSError):
                os.link(source, target, follow_symlinks=False)
                return
        shutil.copy2(source, target, follow_symlinks=False)

    return place


def _make_disk(kept: Path, name: str, contents: Sequence[Image], programs: Path, say: Say) -> Path:
    """Return the disk with these contents; a cached disk with other contents is removed."""
    builder = (programs / "containerd").resolve().stat()
    parts = f"{images.key(contents)} {builder.st_size} {builder.st_mtime_ns} {_snapshotter(kept)}"
    disk = kept / f"{name}-{hashlib.sha256(parts.encode()).hexdigest()[:16]}"
    if disk.exists():
        return disk
    kept.mkdir(parents=True, exist_ok=True)
    for leftover in kept.glob(".making-*"):  # of a killed process
        shutil.rmtree(leftover)
    began = time.monotonic()
    say(f"building the {name} images (once, until a program changes)")
    with tempfile.TemporaryDirectory(dir=kept, prefix=".making-") as scratch:
        archive, partial = Path(scratch, "images.tar"), Path(scratch, "disk")
        images.write_archive(archive, contents)
        _import(programs, archive, partial)
        for other in kept.glob(f"{name}-*"):
            shutil.rmtree(other)
        partial.rename(disk)
    say(f"built the {name} images in {time.monotonic() - began:.1f} s")
    return disk


def _import(programs: Path, archive: Path, target: Path) -> None:
    """Import with a temporary containerd in its own namespaces."""
    unshare = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
    command = (sys.executable, "-m", "hcp_dr_lab.region.machines.disks", str(programs), str(archive), str(target))
    done = subprocess.run([*unshare, *command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LabError(
            f"Importing the region's images into {target} failed; nothing was kept. "
            f"The last lines of the import:\n{(done.stdout + done.stderr)[-2000:]}"
        )


def _authority(stem: Path) -> KeyPair:
    if not stem.with_name(f"{stem.name}.crt").exists():
        CertificateAuthority.create("hcp-dr rehearsal").pair.write(stem)
    return KeyPair.read(stem)


def _snapshotter(folder: Path) -> str:
    return snapshotter(folder, Path("/proc/mounts").read_text("utf-8"))


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Allow one process at a time to build a user's cache."""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (cache / "disks.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Run inside the namespaces of `_import`: start containerd on the target, import the archive, stop."""
    programs, archive, target = (Path(argument) for argument in sys.argv[1:])
    for arguments in (("--make-rprivate", "/"), ("-t", "tmpfs", "tmpfs", "/run")):
        subprocess.run(["mount", *arguments], check=True)
    kind, address = _snapshotter(target), "/run/containerd.sock"
    configuration = Path("/run/containerd.toml")
    configuration.write_text(
        f"""version = 3
root = "{target}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
[grpc]
  address = "{address}"
[ttrpc]
  address = "{address}.ttrpc"
""",
        "utf-8",
    )
    with subprocess.Popen([programs / "containerd", "--config", configuration, "--log-level", "warn"]) as containerd:
        try:
            await_socket(address, containerd)
            ctr = (programs / "ctr", "--address", address, "-n", "k8s.io")
            subprocess.run([*ctr, "images", "import", "--local", "--snapshotter", kind, archive], check=True)
        finally:
            containerd.terminate()


if __name__ == "__main__":
    main()
