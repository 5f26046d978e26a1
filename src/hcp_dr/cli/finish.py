"""`hcp-dr finish`: what remains when the hosted cluster has moved."""

from __future__ import annotations

from hcp_dr.cli.phases import go_on
from hcp_dr.cli.session import Backup, EnvFile, OutputOption


def finish(env_file: EnvFile = None, backup: Backup = None, output: OutputOption = "text") -> None:
    """Restart the network pods and put the instances' protection back."""
    go_on("finish", env_file, backup, output)
