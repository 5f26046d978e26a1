"""`hcp-dr restore`: from the backup to a serving control plane."""

from __future__ import annotations

from hcp_dr import config
from hcp_dr.cli import by_hand
from hcp_dr.cli.phases import go_on
from hcp_dr.cli.session import Backup, EnvFile, OutputOption, Yes, backup_folder


def restore(
    env_file: EnvFile = None, backup: Backup = None, output: OutputOption = "text", *, yes: Yes = False
) -> None:
    """Restore the hosted cluster on the destination from the backup folder (8.6.3).

    A folder that was made with the documented commands will do as well: it is judged first, and asks for the hosted
    cluster's name where the snapshot is not proven to hold all that was written."""
    settings = config.load(config.variables(env_file))
    if by_hand.is_by_hand(backup_folder(settings, backup, new=False), settings):
        by_hand.start(env_file, backup, output, yes=yes)
    else:
        go_on("restore", env_file, backup, output)
