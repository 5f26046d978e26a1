"""`hcp-dr abort`: calls the relocation off and puts the source back into service as it was."""

from __future__ import annotations

from hcp_dr.cli.phases import call_off
from hcp_dr.cli.session import Backup, EnvFile, OutputOption, Yes


def abort(env_file: EnvFile = None, backup: Backup = None, output: OutputOption = "text", *, yes: Yes = False) -> None:
    """Undo everything, up to the point of no return."""
    call_off(env_file, backup, output, yes=yes)
