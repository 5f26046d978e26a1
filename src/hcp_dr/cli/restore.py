"""`hcp-dr restore`: restores a backup to a serving control plane."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr.cli.asking import show_outcome
from hcp_dr.cli.options import Backup, EnvFile, FromContext, OutputOption, ToContext, Yes, context_of
from hcp_dr.commands import restore as command
from hcp_dr.commands.restore_lost import restore_lost
from hcp_dr.errors import SettingsError


def restore(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    *,
    source_lost: Annotated[
        bool,
        typer.Option("--source-lost", help="Restore the newest verified backup of a source that no longer answers."),
    ] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason for --source-lost.")] = "",
    yes: Yes = False,
    from_context: FromContext = None,
    to_context: ToContext = None,
) -> None:
    """Restore the hosted cluster on the destination from the backup folder (8.6.3).

    A folder made by hand with the documented commands is also supported: its content is checked first, and if the
    snapshot may lack writes the command asks for the hosted cluster's name."""
    if reason and not source_lost:
        raise SettingsError(
            what="--reason is only allowed with --source-lost.", todo="Run the command without --reason."
        )
    context = context_of(env_file, backup, output, yes=yes, from_context=from_context, to_context=to_context)
    result = restore_lost(context, reason=reason) if source_lost else command.restore(context)
    show_outcome(result, output)
