"""The backup folder on disk: mode 0700, files 0600, each file written atomically.

The folder contains private keys. So an existing folder keeps its mode, and is used only if it is empty or has a journal
of hcp-dr, belongs to this user, and is not accessible to others.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hcp_dr import disk
from hcp_dr.engine import journal
from hcp_dr.errors import RESUME, ArchiveError

NEEDED_BYTES = 64 << 20
"""Free space required for a new backup: its objects and its journal, not the snapshot."""
_UNTOUCHED = "Nothing was changed anywhere."
_ANOTHER = "Name a new or an empty folder."


class BackupFolder:
    """A `commands.context.Folder` on the local disk. Its path is absolute, independent of the working directory."""

    def __init__(self, path: Path) -> None:
        with suppress(RuntimeError):  # ~ of an unknown user stays part of the path
            path = path.expanduser()
        self.path = path.absolute()

    @property
    def folder(self) -> str:
        return str(self.path)

    @property
    def name(self) -> str:
        return self.path.name

    def story(self) -> journal.JournalState | None:
        return journal.read(self.path)

    def open_journal(self, now: Callable[[], float]) -> journal.Journal:
        return journal.Journal(self.path, now=now)

    def check_usable(self, *, by_hand: bool = False) -> str:
        """Check the folder before a command begins: it must be new, empty, or a backup folder of this user. `by_hand`:
        the folder is a backup that was made by hand with the documented commands. Such a folder may be accessible to
        others; the result is a warning about this, or "". Raises ArchiveError, JournalError; changes nothing."""
        with self._translate_errors("", left=_UNTOUCHED, todo=_ANOTHER):
            try:
                names, mode = disk.list_names(self.path), disk.mode_of(self.path)
            except FileNotFoundError:
                return ""
            story = journal.read(self.path) or journal.JournalState()
            by_hand = by_hand or _was_made_by_hand(story)
            # No other files: the folder is empty, or a command was killed while it created the journal.
            unused = all(name.removesuffix(disk.PART) == journal.FILE_NAME for name in names)
            if not (unused or by_hand or story.command is not None):
                raise disk.UnsafeFileError(
                    "it is not empty and has no journal of hcp-dr, so it may have another purpose"
                )
        if not mode & disk.OPEN_TO_OTHERS:
            return ""
        if mode & disk.OTHERS_WRITE and not (by_hand or story.command):
            reason = f"it is writable by others (mode {mode:o}), but it is for private keys"
            raise ArchiveError(folder=self.folder, reason=reason, left=_UNTOUCHED, todo=_ANOTHER)
        chmod = f"chmod 700 {shlex.quote(self.folder)}"
        if by_hand:
            return (
                f"The backup folder {self.folder} is accessible to others (mode {mode:o}). To restrict it: `{chmod}`."
            )
        raise ArchiveError(
            folder=self.folder,
            reason=f"it is accessible to others (mode {mode:o}), but it is for private keys; to restrict it: `{chmod}`",
            left=_UNTOUCHED,
            todo="Restrict the folder and run the command again, or name a new folder.",
        )

    def check_room(self) -> None:
        """Check whether a new backup can be written: the folder is usable, its disk has room, and a folder can be
        created and removed there. Raises ArchiveError, JournalError."""
        self.check_usable()
        with self._translate_errors("", left=_UNTOUCHED, todo="Name a folder that you can write to, with free space."):
            free = disk.try_write(self.path)
        if free < NEEDED_BYTES:
            reason = f"its disk has {free >> 20} MiB free, and a backup may need {NEEDED_BYTES >> 20} MiB"
            todo = "Free space on its disk, or name a folder on another disk."
            raise ArchiveError(folder=self.folder, reason=reason, left=_UNTOUCHED, todo=todo)

    def make(self, *, by_hand: bool = False) -> None:
        """Create the folder, accessible only to its owner, if it does not exist; then as `check_usable`."""
        with self._translate_errors("", left=_UNTOUCHED, todo="Name a folder that you can write to."):
            disk.make_folder(self.path)
        self.check_usable(by_hand=by_hand)

    def read(self, path: str) -> bytes | None:
        with self._translate_errors(path):
            try:
                return disk.read(self.path, path)
            except NotADirectoryError:
                return None

    def write(self, path: str, text: str) -> None:
        with self._translate_errors(path, todo=f"Make the folder writable, free space on its disk, then run {RESUME}."):
            disk.write(self.path, path, text.encode())

    def paths(self, below: str) -> tuple[str, ...]:
        with self._translate_errors(below):
            return tuple(f"{below}/{name}" for name in disk.list_files(self.path, below))

    @contextmanager
    def _translate_errors(self, path: str, *, left: str | None = None, todo: str | None = None) -> Iterator[None]:
        """Raise OSError of the body as ArchiveError."""
        try:
            yield
        except OSError as error:
            why = error.strerror or str(error)
            shown = path if path.isprintable() else repr(path)
            reason = f"{shown}: {why}" if path else why
            if path and isinstance(error, disk.UnsafeFileError):
                todo = (
                    "Find out who changed the file and restore it, or use another folder; then run the command again."
                )
            raise ArchiveError(folder=self.folder, reason=reason, left=left, todo=todo) from error


def _was_made_by_hand(story: journal.JournalState) -> bool:
    return any(line.get("command") == journal.RESTORE_BY_HAND for line in story.lines)
