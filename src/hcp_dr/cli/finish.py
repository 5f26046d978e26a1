"""`hcp-dr finish`: the last steps after the hosted cluster has moved."""

from __future__ import annotations

from hcp_dr.cli.asking import show_outcome
from hcp_dr.cli.options import Backup, EnvFile, OutputOption, context_of
from hcp_dr.commands import finish as command


def finish(env_file: EnvFile = None, backup: Backup = None, output: OutputOption = "text") -> None:
    """Restart the network pods and restore the instances' termination protection."""
    show_outcome(command.finish(context_of(env_file, backup, output)), output)
