"""The backup folder on disk: 0700, files 0600, each written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hcp_dr.errors import ArchiveError


class BackupFolder:
    """An `objects.archive.Archive` on the local disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def folder(self) -> str:
        return str(self.path)

    def make(self) -> None:
        """Create the folder, readable by its owner only."""
        with self._mapped("", left="Nothing was changed anywhere.", todo="Name a folder that you may write."):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)

    def read(self, path: str) -> bytes | None:
        with self._mapped(path):
            try:
                return (self.path / path).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, path: str, text: str) -> None:
        with self._mapped(path, todo="Make the folder writable, with room on its disk, then run `hcp-dr resume`."):
            self._write(self.path / path, text)

    def paths(self, below: str) -> tuple[str, ...]:
        with self._mapped(below):
            place = self.path / below
            found = sorted(each.name for each in place.iterdir() if each.is_file()) if place.is_dir() else []
            return tuple(f"{below}/{name}" for name in found)

    def _write(self, target: Path, text: str) -> None:
        between = target.parent.relative_to(self.path).parts
        for depth in range(len(between)):
            self.path.joinpath(*between[: depth + 1]).mkdir(mode=0o700, exist_ok=True)
        temporary = target.with_name(target.name + ".part")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)

    @contextmanager
    def _mapped(self, path: str, *, left: str | None = None, todo: str | None = None) -> Iterator[None]:
        """Raises ArchiveError for what the disk refuses."""
        try:
            yield
        except OSError as error:
            why = error.strerror or str(error)
            reason = f"{path}: {why}" if path else why
            raise ArchiveError(folder=self.folder, reason=reason, left=left, todo=todo) from error
