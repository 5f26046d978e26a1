"""`hcp-dr report`: what was done and what was verified, from the journal."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from hcp_dr.cli.asking import show
from hcp_dr.cli.options import Backup, EnvFile
from hcp_dr.commands import report as command
from hcp_dr.commands.environment import from_environment
from hcp_dr.folder import BackupFolder
from hcp_dr.report import page, relocation

Form = Annotated[
    Literal["text", "json", "yaml", "html"],
    typer.Option("-o", "--output", help="text, json, yaml, or one HTML page, on stdout."),
]


def report(env_file: EnvFile = None, backup: Backup = None, output: Form = "text") -> None:
    """Say what was done and what was verified, with values.

    With --backup it needs no variables: the folder's journal says all.
    """
    folder = BackupFolder(backup) if backup else from_environment(env_file).folder
    value = command.read_report(folder)
    if output == "html":
        print(page.to_html(value), end="")
    else:
        show(output, value, relocation.to_text(value))
