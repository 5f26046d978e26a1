"""The backup folders on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hcp_dr import config
from hcp_dr.engine import journal as journals
from hcp_dr.errors import NothingToResume
from hcp_dr.folder import BackupFolder
from hcp_dr.procedure import BACKUP_ONLINE


@dataclass(frozen=True, slots=True)
class BackupsOnDisk:
    """Implements `context.Backups`. `named` is the folder of --backup."""

    settings: config.Settings
    named: Path | None = None

    @property
    def is_named(self) -> bool:
        return self.named is not None

    def folder(self, *, new: bool) -> BackupFolder:
        """--backup, BACKUP_DIR, HC_CLUSTER_DIR/backup; else a folder below the user's state folder: a new one, or the
        newest."""
        for named in (self.named, *self._of_settings()):
            if named is not None:
                return BackupFolder(named)
        root = state_folder(self.settings)
        existing = find_journaled(root)
        if not new:
            if not existing:
                raise NothingToResume(reason=f"no journal is below {root}")
            return BackupFolder(max(existing, key=lambda path: (not _is_online(path), path)))
        unfinished = [path for path in existing if (story := journals.read(path)) and not story.ended]
        return BackupFolder(unfinished[-1]) if unfinished else BackupFolder(self._new())

    def online_folder(self) -> BackupFolder:
        """--backup, else always a new one below the user's state folder: BACKUP_DIR is for one relocation."""
        return BackupFolder(self.named or self._new())

    def of_backup(self, backup_id: str) -> BackupFolder | None:
        """The folder of this backup, if it is below the user's state folder."""
        for path in find_journaled(state_folder(self.settings)):
            story = journals.read(path)
            if story is not None and story.case is not None and story.case.get("backup_id") == backup_id:
                return BackupFolder(path)
        return None

    def with_snapshot(self) -> Sequence[BackupFolder]:
        if self.named is not None:
            return [BackupFolder(self.named)]
        below = find_journaled(state_folder(self.settings))
        return [BackupFolder(path) for path in (*filter(None, self._of_settings()), *below)]

    def searched(self) -> str:
        return str(self.named or state_folder(self.settings))

    def _of_settings(self) -> tuple[Path | None, ...]:
        settings = self.settings
        return settings.backup_dir, settings.hc_cluster_dir and settings.hc_cluster_dir / "backup"

    def _new(self) -> Path:
        return state_folder(self.settings) / time.strftime("%Y%m%d-%H%M%S", time.gmtime())


def state_root() -> Path:
    """The user's state folder. Raises RuntimeError if the user has no known home."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "hcp-dr"


def state_folder(settings: config.Settings) -> Path:
    """The default folder for the backups of this hosted cluster."""
    return state_root() / settings.hc_cluster_ns / settings.hc_cluster_name


def find_journaled(root: Path) -> list[Path]:
    """Folders with a journal, by name, so by age."""
    paths = (path for path in root.glob("*") if not path.is_symlink() and os.path.lexists(path / journals.FILE_NAME))
    return sorted(paths) if root.is_dir() else []


def _is_online(path: Path) -> bool:
    story = journals.read(path)
    return story is not None and story.command == BACKUP_ONLINE
