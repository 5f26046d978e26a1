"""`hcp-dr status`: where the relocation is, from any machine."""

from __future__ import annotations

from hcp_dr.cli.asking import show
from hcp_dr.cli.options import Backup, EnvFile, OutputOption
from hcp_dr.commands import status as command
from hcp_dr.commands.environment import from_environment
from hcp_dr.report import status as report


def status(env_file: EnvFile = None, backup: Backup = None, output: OutputOption = "text") -> None:
    """Say where the relocation is, who is at work, and what to do next. Reads only."""
    seen = command.status(from_environment(env_file, backup))
    value = report.to_json(seen)
    show(output, value, report.to_text(value, seen.now))
