"""The backup folder on disk: 0700, files 0600, each written whole or not at all.

It holds private keys. So a folder that is there keeps its mode, and is taken only where it is ours: empty, or with our
journal in it, of this user, and closed to others.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hcp_dr import disk
from hcp_dr.engine import journal
from hcp_dr.errors import RESUME, ArchiveError

_UNTOUCHED = "Nothing was changed anywhere."
_ANOTHER = "Name a folder that is not there yet, or an empty one."


class BackupFolder:
    """A `commands.context.Folder` on the local disk. Its path is absolute, wherever the next command runs."""

    def __init__(self, path: Path) -> None:
        with suppress(RuntimeError):  # of a user who is not known: then it is a name like any other
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
        """Before anything is begun with it: it is not there yet, or it is ours. `by_hand` says that it is to be taken
        as a backup that people made with the documented commands. Such a one may be open to others, which is returned
        as a sentence, "" where there is nothing to say. Raises ArchiveError, JournalError, and changes nothing."""
        with self._mapped("", left=_UNTOUCHED, todo=_ANOTHER):
            try:
                names, mode = disk.listed(self.path), disk.mode_of(self.path)
            except FileNotFoundError:
                return ""
            story = journal.read(self.path) or journal.JournalState()
            by_hand = by_hand or _was_made_by_hand(story)
            begun = all(name.removesuffix(disk.PART) == journal.FILE_NAME for name in names)  # and killed at once
            if not (begun or by_hand or story.command is not None):
                raise disk.Odd("it is not empty and holds no journal of hcp-dr, so that it may be somebody else's")
        if not mode & disk.OPEN_TO_OTHERS:
            return ""
        if mode & disk.OTHERS_WRITE and not (by_hand or story.command):
            reason = f"others may write in it (mode {mode:o}), and it is for private keys"
            raise ArchiveError(folder=self.folder, reason=reason, left=_UNTOUCHED, todo=_ANOTHER)
        closing = f"chmod 700 {shlex.quote(self.folder)}"
        if by_hand:
            return f"The backup folder {self.folder} is open to others (mode {mode:o}); `{closing}` closes it."
        raise ArchiveError(
            folder=self.folder,
            reason=f"it is open to others (mode {mode:o}), and it is for private keys; `{closing}` closes it",
            left=_UNTOUCHED,
            todo="Close it and run the command again, or name a folder that is not there yet.",
        )

    def make(self, *, by_hand: bool = False) -> None:
        """Create the folder, for its owner only, where it is not there; else as `check_usable`."""
        with self._mapped("", left=_UNTOUCHED, todo="Name a folder that you may write."):
            disk.make(self.path)
        self.check_usable(by_hand=by_hand)

    def read(self, path: str) -> bytes | None:
        with self._mapped(path):
            return disk.read(self.path, path)

    def write(self, path: str, text: str) -> None:
        with self._mapped(path, todo=f"Make the folder writable, with room on its disk, then run {RESUME}."):
            disk.write(self.path, path, text.encode())

    def paths(self, below: str) -> tuple[str, ...]:
        with self._mapped(below):
            return tuple(f"{below}/{name}" for name in disk.files(self.path, below))

    @contextmanager
    def _mapped(self, path: str, *, left: str | None = None, todo: str | None = None) -> Iterator[None]:
        """Raises ArchiveError for what the disk refuses."""
        try:
            yield
        except OSError as error:
            why = error.strerror or str(error)
            shown = path if path.isprintable() else repr(path)
            reason = f"{shown}: {why}" if path else why
            if path and isinstance(error, disk.Odd):
                todo = "Find out who made it so, and put it right, or use another folder; then run the command again."
            raise ArchiveError(folder=self.folder, reason=reason, left=left, todo=todo) from error


def _was_made_by_hand(story: journal.JournalState) -> bool:
    return any(line.get("command") == journal.RESTORE_BY_HAND for line in story.lines)
