"""`hcp-dr relocate`: the whole way, from preflight to finish."""

from __future__ import annotations

from hcp_dr.cli.phases import start
from hcp_dr.cli.session import Backup, DocumentedKey, EnvFile, OutputOption, Yes


def relocate(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    *,
    documented_key: DocumentedKey = False,
    yes: Yes = False,
) -> None:
    """Carry the hosted cluster from the source to the destination management cluster."""
    start("relocate", env_file, backup, output, yes=yes, documented_key=documented_key)
