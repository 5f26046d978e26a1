"""Files in one folder of this machine, reached without following a link: each component of a path is opened beside the
one before it, so that nothing which somebody puts in between leads elsewhere.

A folder may be asked for that others made, and a path may come from a manifest that others wrote. So a path is relative
and goes down only, a file is a regular file, and the folder itself is a folder of whoever runs this. Its parents are
the user's to choose and may be links.

Everything raises OSError; what is odd and no matter of the disk raises `Odd`, whose `strerror` says what it is.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Without O_NONBLOCK a pipe in the place of a file would be waited for."""
PART = ".part"
"""At the end of a file's name until it is whole."""
OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Odd(OSError):
    """Something is there that is none of the caller's files, or a path that leads out of the folder."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EPERM, why)


def parts_of(path: str) -> tuple[str, ...]:
    """The components of a path inside a folder. Raises Odd for one that leads out of it or that nobody could read."""
    parts = tuple(path.split("/"))
    if any(part in ("", ".", "..") for part in parts):
        raise Odd("the path does not stay in the folder")
    if not path.isprintable():
        raise Odd("the name holds what cannot be printed")
    return parts


def make(folder: Path) -> None:
    """The folder and what is missing above it, each for its owner only. What is there stays as it is."""
    missing = []
    for place in (folder, *folder.parents):
        if os.path.lexists(place):
            break
        missing.append(place)
    for place in reversed(missing):
        with suppress(FileExistsError):  # somebody was quicker; whoever opens it looks at what it is
            place.mkdir(mode=0o700)


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    """The folder as a descriptor."""
    handle = _open_folder(folder)
    try:
        owner = os.fstat(handle).st_uid
        if owner != os.geteuid():
            raise Odd(f"it belongs to user id {owner}, and hcp-dr runs as {os.geteuid()}: run it as that user")
        yield handle
    finally:
        os.close(handle)


def mode_of(folder: Path) -> int:
    """The permission bits of the folder."""
    with opened(folder) as handle:
        return stat.S_IMODE(os.fstat(handle).st_mode)


def listed(folder: Path) -> tuple[str, ...]:
    """The names of all that is in the folder."""
    with opened(folder) as handle:
        return tuple(sorted(os.listdir(handle)))  # noqa: PTH208 - of the folder that is open


def files(folder: Path, below: str) -> tuple[str, ...]:
    """The names of the files in a folder of the folder; none where there is none. Raises Odd where a link or the like
    is among them: whoever restores from them must not believe that they are all."""
    try:
        with opened(folder) as root, _below(root, parts_of(below)) as handle, os.scandir(handle) as entries:
            found = {entry.name: entry.stat(follow_symlinks=False).st_mode for entry in entries}
    except FileNotFoundError:
        return ()
    odd = [name for name, mode in sorted(found.items()) if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))]
    odd += [name for name in sorted(found) if not name.isprintable()]
    if odd:
        raise Odd(f"{odd[0]!r} in it is {_kind(found[odd[0]])}, or has a name that cannot be printed")
    return tuple(sorted(name for name, mode in found.items() if stat.S_ISREG(mode)))


def read(folder: Path, path: str) -> bytes | None:
    """The bytes of a file; None where there is none."""
    *between, name = parts_of(path)
    try:
        with opened(folder) as root, _below(root, between) as handle:
            file = open_file(handle, name, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(file, "rb") as content:
        return content.read()


def write(folder: Path, path: str, data: bytes) -> None:
    """Whole or not at all, for its owner only. Folders in between are made so too."""
    *between, name = parts_of(path)
    with opened(folder) as root, _below(root, between, making=True) as handle:
        _must_be_a_file(handle, name)
        with os.fdopen(new_part(handle, name), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        give_name(handle, name)


def new_part(handle: int, name: str) -> int:
    """A new file beside the one of this name, to be given its name when it is whole. One that a crash left is removed;
    anything else of that name is not ours to remove."""
    flags, part = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | _FILE, name + PART
    try:
        return os.open(part, flags, 0o600, dir_fd=handle)
    except FileExistsError:
        _must_be_a_file(handle, part)
        os.unlink(part, dir_fd=handle)
        return os.open(part, flags, 0o600, dir_fd=handle)


def give_name(handle: int, name: str) -> None:
    """The file of `new_part`, which is whole, gets its name in the folder `handle`."""
    os.replace(name + PART, name, src_dir_fd=handle, dst_dir_fd=handle)
    settle(handle)


def settle(handle: int) -> None:
    """The names in a folder are on the disk, where its file system can tell."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def open_file(handle: int, name: str, flags: int) -> int:
    """A regular file of the folder `handle`, which may be a new one where `flags` say O_CREAT."""
    try:
        file = os.open(name, flags | _FILE, 0o600, dir_fd=handle)
    except OSError:
        _must_be_a_file(handle, name)  # which says more than the system does
        raise
    try:
        if not stat.S_ISREG(mode := os.fstat(file).st_mode):
            raise Odd(f"it is {_kind(mode)}")
    except BaseException:
        os.close(file)
        raise
    return file


def _must_be_a_file(handle: int, name: str) -> None:
    """Or nothing at all."""
    try:
        mode = os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise Odd(f"{name} is {_kind(mode)}")


def _open_folder(place: Path | str, above: int | None = None) -> int:
    try:
        return os.open(place, _FOLDER, dir_fd=above)
    except OSError as error:
        linked = error.errno in (errno.ENOTDIR, errno.ELOOP)
        if linked and stat.S_ISLNK(mode := os.stat(place, dir_fd=above, follow_symlinks=False).st_mode):
            raise Odd(f"{place if above else 'it'} is {_kind(mode)}") from None
        raise


@contextmanager
def _below(root: int, between: list[str] | tuple[str, ...], *, making: bool = False) -> Iterator[int]:
    """The folder that these lead to, one after the other."""
    handle = os.dup(root)
    try:
        for name in between:
            if making:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=handle)
                    settle(handle)
            inner = _open_folder(name, handle)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def _kind(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a link, and links are not followed"
    return "a folder" if stat.S_ISDIR(mode) else "a file" if stat.S_ISREG(mode) else "no regular file"
