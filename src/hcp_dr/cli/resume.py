"""`hcp-dr resume`: goes on where the journal ends, in whatever command that was."""

from __future__ import annotations

from hcp_dr.cli.phases import resume_last
from hcp_dr.cli.session import Backup, EnvFile, OutputOption


def resume(env_file: EnvFile = None, backup: Backup = None, output: OutputOption = "text") -> None:
    """Go on with what was stopped, from its journal."""
    resume_last(env_file, backup, output)
