"""`hcp-dr report`: what was done and what was verified, from the journal."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from hcp_dr import config
from hcp_dr.cli.asking import show
from hcp_dr.cli.folders import backup_folder
from hcp_dr.cli.session import Backup, EnvFile
from hcp_dr.engine import journal
from hcp_dr.errors import ArchiveError
from hcp_dr.folder import BackupFolder
from hcp_dr.report import page, relocation

_WHICH = "Name the folder in which `hcp-dr` said that backup and journal are, with --backup."
Form = Annotated[
    Literal["text", "json", "yaml", "html"],
    typer.Option("-o", "--output", help="text, json, yaml, or one HTML page, on stdout."),
]


def report(env_file: EnvFile = None, backup: Backup = None, output: Form = "text") -> None:
    """Say what was done and what was verified, with values.

    With --backup it needs no variables: the folder's journal says all.
    """
    folder = BackupFolder(backup) if backup else backup_folder(config.load(config.variables(env_file)), None, new=False)
    story = journal.read(folder.path)
    if story is None:
        raise ArchiveError(folder=folder.folder, reason="it holds no journal", left="", todo=_WHICH)
    value = relocation.to_json(story, backup_dir=folder.folder)
    if output == "html":
        print(page.to_html(value), end="")
    else:
        show(output, value, relocation.to_text(value))
