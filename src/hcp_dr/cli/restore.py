"""`hcp-dr restore`: from the backup to a serving control plane."""

from __future__ import annotations

from hcp_dr.cli.phases import go_on
from hcp_dr.cli.session import Backup, EnvFile, OutputOption


def restore(env_file: EnvFile = None, backup: Backup = None, output: OutputOption = "text") -> None:
    """Restore the hosted cluster on the destination from the backup folder (8.6.3)."""
    go_on("restore", env_file, backup, output)
