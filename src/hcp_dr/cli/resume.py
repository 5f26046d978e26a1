"""`hcp-dr resume`: continues the unfinished command of the journal."""

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
        Dns | None, typer.Option("--dns", help="Change the way of the DNS names: release, takeover or handover.")
    ] = None,
    *,
    no_pull_images: Annotated[
        bool, typer.Option("--no-pull-images", help="Continue without pulling images ahead, if pulling fails.")
    ] = False,
) -> None:
    """Continue a stopped command from its journal."""
    context = context_of(env_file, backup, output)
    show_outcome(command.resume(context, dns=dns, pull_images=not no_pull_images), output)
