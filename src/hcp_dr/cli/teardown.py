"""`hcp-dr teardown`: removes the hosted cluster from the source, after the destination is proven."""

from __future__ import annotations

from hcp_dr.cli.phases import go_on
from hcp_dr.cli.session import Backup, EnvFile, OutputOption, Yes


def teardown(
    env_file: EnvFile = None, backup: Backup = None, output: OutputOption = "text", *, yes: Yes = False
) -> None:
    """Remove the hosted cluster from the source (8.6.4). Its instances live on."""
    go_on("teardown", env_file, backup, output, confirmed=yes)
