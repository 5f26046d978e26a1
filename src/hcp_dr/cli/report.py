"""`hcp-dr report`: the completed steps and the results of the checks, from the journal."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from hcp_dr.cli.asking import show
from hcp_dr.cli.options import Backup, EnvFile, record_call
from hcp_dr.commands import report as command
from hcp_dr.commands.environment import from_environment
from hcp_dr.folder import BackupFolder
from hcp_dr.report import page, relocation

Form = Annotated[
    Literal["text", "json", "yaml", "html"],
    typer.Option("-o", "--output", help="Format on stdout: text, json, yaml, or html for one HTML page."),
]


def report(env_file: EnvFile = None, backup: Backup = None, output: Form = "text") -> None:
    """Print the completed steps and the results of the checks, with values.

    With --backup no variables are needed: the folder's journal contains all data.
    """
    if backup:
        value = command.read_report(BackupFolder(backup))
    else:
        context = from_environment(env_file)
        record_call(context, env_file, None, {})
        value = command.read_report(context.folder, context.requested)
    if output == "html":
        print(page.to_html(value), end="")
    else:
        show(output, value, relocation.to_text(value))
