"""`hcp-dr status`: where the relocation is, from its journal."""

from __future__ import annotations

from hcp_dr import config
from hcp_dr.cli.session import Backup, EnvFile, OutputOption, backup_folder, show
from hcp_dr.engine import journal
from hcp_dr.errors import NothingToResume
from hcp_dr.report import outcome


def status(env_file: EnvFile = None, backup: Backup = None, output: OutputOption = "text") -> None:
    """Say where the relocation is."""
    folder = backup_folder(config.load(config.variables(env_file)), backup, new=False)
    story = journal.read(folder.path)
    if story is None:
        raise NothingToResume(reason=f"{folder.path} holds no journal")
    value = outcome.status(story, backup_dir=folder.folder)
    text = "\n".join(f"{key}: {', '.join(v) if isinstance(v, list) else v}" for key, v in value.items() if v)
    show(output, value, text)
