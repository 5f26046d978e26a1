"""`hcp-dr resume`: goes on where the journal ends, in whatever command that was."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr.cli.phases import resume_last
from hcp_dr.cli.session import Backup, EnvFile, OutputOption
from hcp_dr.model import Dns


def resume(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    dns: Annotated[
        Dns | None, typer.Option("--dns", help="release or takeover, where it is to be another now.")
    ] = None,
) -> None:
    """Go on with what was stopped, from its journal."""
    resume_last(env_file, backup, output, dns=dns)
