"""`hcp-dr restore`: from the backup to a serving control plane."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr import config
from hcp_dr.cli import by_hand
from hcp_dr.cli.folders import backup_folder
from hcp_dr.cli.phases import go_on
from hcp_dr.cli.session import Backup, EnvFile, OutputOption, Yes
from hcp_dr.cli.source_lost import restore_lost
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
    if source_lost:
        return restore_lost(env_file, backup, output, reason=reason, yes=yes)
    if reason:
        raise SettingsError(what="--reason is for --source-lost.", todo="Leave it out.")
    settings = config.load(config.variables(env_file))
    if by_hand.is_by_hand(backup_folder(settings, backup, new=False), settings):
        return by_hand.start(env_file, backup, output, yes=yes)
    return go_on("restore", env_file, backup, output)
