"""Where backups are on this machine."""

from __future__ import annotations

import os
import time
from pathlib import Path

from hcp_dr import config
from hcp_dr.engine import journal as journals
from hcp_dr.errors import NothingToResume
from hcp_dr.folder import BackupFolder
from hcp_dr.procedure import BACKUP_ONLINE


def backup_folder(settings: config.Settings, backup: Path | None, *, new: bool) -> BackupFolder:
    """--backup, BACKUP_DIR, HC_CLUSTER_DIR/backup; else one below the user's state folder: a new one, or the newest."""
    if backup is not None:
        return BackupFolder(backup)
    if settings.backup_dir is not None:
        return BackupFolder(settings.backup_dir)
    if settings.hc_cluster_dir is not None:
        return BackupFolder(settings.hc_cluster_dir / "backup")
    existing = journaled_below(state_folder(settings))
    if not new:
        if not existing:
            raise NothingToResume(reason=f"no journal is below {state_folder(settings)}")
        return BackupFolder(max(existing, key=lambda path: (not _is_online(path), path)))
    unfinished = [path for path in existing if (story := journals.read(path)) and not story.ended]
    return BackupFolder(unfinished[-1]) if unfinished else online_folder(settings, None)


def online_folder(settings: config.Settings, backup: Path | None) -> BackupFolder:
    """--backup, else always a new one below the user's state folder: whatever BACKUP_DIR says is for one relocation."""
    return BackupFolder(backup or state_folder(settings) / time.strftime("%Y%m%d-%H%M%S", time.gmtime()))


def state_root() -> Path:
    """The user's state folder. Raises RuntimeError where nobody knows the user's home."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "hcp-dr"


def state_folder(settings: config.Settings) -> Path:
    """Where the backups of this hosted cluster are that nobody gave a place."""
    return state_root() / settings.hc_cluster_ns / settings.hc_cluster_name


def journaled_below(root: Path) -> list[Path]:
    """Folders with a journal, by name, which is by age."""
    found = (path for path in root.glob("*") if not path.is_symlink() and os.path.lexists(path / journals.FILE_NAME))
    return sorted(found) if root.is_dir() else []


def folder_of(backup_id: str, settings: config.Settings) -> BackupFolder | None:
    """That of this backup, where it is below the user's state folder."""
    for path in journaled_below(state_folder(settings)):
        story = journals.read(path)
        if story is not None and story.case is not None and story.case.get("backup_id") == backup_id:
            return BackupFolder(path)
    return None


def _is_online(path: Path) -> bool:
    story = journals.read(path)
    return story is not None and story.command == BACKUP_ONLINE
