"""`hcp-dr verify`: reads only, and journals what it proved."""

from __future__ import annotations

from hcp_dr.cli.phases import go_on
from hcp_dr.cli.session import Backup, EnvFile, OutputOption


def verify(env_file: EnvFile = None, backup: Backup = None, output: OutputOption = "text") -> None:
    """Prove that the destination serves this very cluster."""
    go_on("verify", env_file, backup, output)
