"""`hcp-dr restore`: from the backup to a serving control plane."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr.cli.asking import show_outcome
from hcp_dr.cli.options import Backup, EnvFile, OutputOption, Yes, context_of
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
        typer.Option("--source-lost", help="From the last verified backup, where the source does not answer any more."),
    ] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for --source-lost.")] = "",
    yes: Yes = False,
) -> None:
    """Restore the hosted cluster on the destination from the backup folder (8.6.3).

    A folder that was made with the documented commands will do as well: it is judged first, and asks for the hosted
    cluster's name where the snapshot is not proven to hold all that was written."""
    if reason and not source_lost:
        raise SettingsError(what="--reason is for --source-lost.", todo="Leave it out.")
    context = context_of(env_file, backup, output, yes=yes)
    done = restore_lost(context, reason=reason) if source_lost else command.restore(context)
    show_outcome(done, output)
