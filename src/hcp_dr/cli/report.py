"""`hcp-dr report`: what was done and what was verified, from the journal."""

from __future__ import annotations

from hcp_dr import config
from hcp_dr.cli.folders import backup_folder
from hcp_dr.cli.session import Backup, EnvFile, OutputOption, show
from hcp_dr.engine import journal
from hcp_dr.errors import NothingToResume
from hcp_dr.report import relocation


def report(env_file: EnvFile = None, backup: Backup = None, output: OutputOption = "text") -> None:
    """Say what was done and what was verified, with values."""
    folder = backup_folder(config.load(config.variables(env_file)), backup, new=False)
    story = journal.read(folder.path)
    if story is None:
        raise NothingToResume(reason=f"{folder.path} holds no journal")
    value = relocation.to_json(story, backup_dir=folder.folder)
    show(output, value, relocation.to_text(value))
