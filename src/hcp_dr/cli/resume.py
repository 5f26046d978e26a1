"""`hcp-dr resume`: goes on where the journal ends, in whatever command that was."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr.cli.asking import show_outcome
from hcp_dr.cli.options import Backup, EnvFile, OutputOption, context_of
from hcp_dr.commands import resume as command
from hcp_dr.model import Dns


def resume(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    dns: Annotated[
        Dns | None, typer.Option("--dns", help="release, takeover or handover, where it is to be another now.")
    ] = None,
    *,
    no_pull_images: Annotated[
        bool, typer.Option("--no-pull-images", help="Where images cannot be pulled ahead: go on without.")
    ] = False,
) -> None:
    """Go on with what was stopped, from its journal."""
    context = context_of(env_file, backup, output)
    show_outcome(command.resume(context, dns=dns, pull_images=not no_pull_images), output)
