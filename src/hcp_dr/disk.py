"""Files in one folder of this machine, opened without following symbolic links: each component of a path is opened
relative to its parent, so that a link created by another process has no effect.

Another user may have made the folder, and another program may have written the manifest with a path. So a path must be
relative and stay inside the folder, a file must be a regular file, and the user of this process must own the folder.
The folder's parents are the user's choice and may be links.

All functions raise OSError. Unsafe files and paths raise `UnsafeFileError`, with the reason in `strerror`.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""O_NONBLOCK: opening a pipe in the place of a file must not block."""
PART = ".part"
"""The suffix of a file until it is complete."""
MAX_BYTES = 64 * 1024**2
"""Of a file that is read: journals and manifests of large clusters have some megabytes."""
OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class UnsafeFileError(OSError):
    """A file of the folder is not a regular file, or a path leads out of the folder."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EPERM, why)


def split_path(path: str) -> tuple[str, ...]:
    """The components of a path inside a folder. Raises UnsafeFileError if the path leads out of the folder or is not
    printable."""
    names = tuple(path.split("/"))
    if any(name in ("", ".", "..") for name in names):
        raise UnsafeFileError("the path leads out of the folder")
    if not path.isprintable():
        raise UnsafeFileError("the name contains unprintable characters")
    return names


def make_folder(folder: Path) -> None:
    """Make the folder and its missing parents, each accessible only to its owner. Existing folders stay unchanged."""
    missing = []
    for path in (folder, *folder.parents):
        if os.path.lexists(path):
            break
        missing.append(path)
    for path in reversed(missing):
        with suppress(FileExistsError):  # another process was faster; opening the folder checks the result
            path.mkdir(mode=0o700)


def try_write(folder: Path) -> int:
    """Create a folder in this folder, or in the nearest that exists above it, and remove it again. Returns the free
    bytes of the disk. Raises OSError."""
    place = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    Path(tempfile.mkdtemp(prefix=".hcp-dr-", dir=place)).rmdir()
    free = os.statvfs(place)
    return free.f_bavail * free.f_frsize


@contextmanager
def open_folder(folder: Path) -> Iterator[int]:
    """A descriptor of the folder. Raises UnsafeFileError if another user owns the folder."""
    handle = _open_folder(folder)
    try:
        owner = os.fstat(handle).st_uid
        if owner != os.geteuid():
            raise UnsafeFileError(
                f"it belongs to user id {owner}, but hcp-dr runs as {os.geteuid()}: run hcp-dr as that user"
            )
        yield handle
    finally:
        os.close(handle)


def mode_of(folder: Path) -> int:
    """The permission bits of the folder."""
    with open_folder(folder) as handle:
        return stat.S_IMODE(os.fstat(handle).st_mode)


def list_names(folder: Path) -> tuple[str, ...]:
    """The names of all entries of the folder."""
    with open_folder(folder) as handle:
        return tuple(sorted(os.listdir(handle)))  # noqa: PTH208 - of an open descriptor


def list_files(folder: Path, below: str) -> tuple[str, ...]:
    """The names of the files in a subfolder; empty if the subfolder does not exist. Raises UnsafeFileError if an entry
    is a link or another special file: skipping the entry would make a restore incomplete."""
    try:
        with open_folder(folder) as root, _subfolder(root, split_path(below)) as handle, os.scandir(handle) as entries:
            modes = {entry.name: entry.stat(follow_symlinks=False).st_mode for entry in entries}
    except FileNotFoundError:
        return ()
    unsafe = [name for name, mode in sorted(modes.items()) if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))]
    unsafe += [name for name in sorted(modes) if not name.isprintable()]
    if unsafe:
        raise UnsafeFileError(f"its entry {unsafe[0]!r} is {_kind(modes[unsafe[0]])}, or has an unprintable name")
    return tuple(sorted(name for name, mode in modes.items() if stat.S_ISREG(mode)))


def read(folder: Path, path: str) -> bytes | None:
    """The content of a file; None if the file does not exist."""
    *subfolders, name = split_path(path)
    try:
        with open_folder(folder) as root, _subfolder(root, subfolders) as handle:
            file = open_file(handle, name, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(file, "rb") as content:
        data = content.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it is larger than {MAX_BYTES // 1024**2} MiB")
    return data


def write(folder: Path, path: str, data: bytes) -> None:
    """Write a file atomically, accessible only to its owner. Missing subfolders are made with the same access."""
    *subfolders, name = split_path(path)
    with open_folder(folder) as root, _subfolder(root, subfolders, create=True) as handle:
        _check_regular(handle, name)
        with os.fdopen(create_part(handle, name), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        rename_part(handle, name)


def create_part(handle: int, name: str) -> int:
    """Create a temporary file for the file with this name; `rename_part` completes it. The temporary file of a crash is
    removed; any other kind of entry with the temporary name is an error."""
    flags, part = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | _FILE, name + PART
    try:
        return os.open(part, flags, 0o600, dir_fd=handle)
    except FileExistsError:
        _check_regular(handle, part)
        os.unlink(part, dir_fd=handle)
        return os.open(part, flags, 0o600, dir_fd=handle)


def rename_part(handle: int, name: str) -> None:
    """Give the complete file of `create_part` its name in the folder `handle`."""
    os.replace(name + PART, name, src_dir_fd=handle, dst_dir_fd=handle)
    sync_folder(handle)


def sync_folder(handle: int) -> None:
    """Flush the names in a folder to the disk, if the file system supports it."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def open_file(handle: int, name: str, flags: int) -> int:
    """Open a regular file of the folder `handle`; O_CREAT in `flags` creates the file if necessary."""
    try:
        file = os.open(name, flags | _FILE, 0o600, dir_fd=handle)
    except OSError:
        _check_regular(handle, name)  # gives a better reason than the system
        raise
    try:
        if not stat.S_ISREG(mode := os.fstat(file).st_mode):
            raise UnsafeFileError(f"it is {_kind(mode)}")
    except BaseException:
        os.close(file)
        raise
    return file


def _check_regular(handle: int, name: str) -> None:
    """Raises UnsafeFileError if the name exists and is not a regular file."""
    try:
        mode = os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise UnsafeFileError(f"{name} is {_kind(mode)}")


def _open_folder(path: Path | str, parent: int | None = None) -> int:
    try:
        return os.open(path, _FOLDER, dir_fd=parent)
    except OSError as error:
        may_be_link = error.errno in (errno.ENOTDIR, errno.ELOOP)
        if may_be_link and stat.S_ISLNK(mode := os.stat(path, dir_fd=parent, follow_symlinks=False).st_mode):
            raise UnsafeFileError(f"{path if parent else 'it'} is {_kind(mode)}") from None
        raise


@contextmanager
def _subfolder(root: int, names: list[str] | tuple[str, ...], *, create: bool = False) -> Iterator[int]:
    """A descriptor of the subfolder with this path below `root`."""
    handle = os.dup(root)
    try:
        for name in names:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=handle)
                    sync_folder(handle)
            inner = _open_folder(name, handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link, and links are not followed"
    return "a folder" if stat.S_ISDIR(mode) else "a file" if stat.S_ISREG(mode) else "not a regular file"
