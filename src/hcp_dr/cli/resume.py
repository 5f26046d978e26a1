"""`hcp-dr resume`: continues the unfinished command of the journal."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr.cli.asking import show_outcome
from hcp_dr.cli.options import Backup, EnvFile, FromContext, OutputOption, ToContext, context_of
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
    from_context: FromContext = None,
    to_context: ToContext = None,
) -> None:
    """Continue a stopped command from its journal."""
    context = context_of(env_file, backup, output, from_context=from_context, to_context=to_context)
    show_outcome(command.resume(context, dns=dns, pull_images=not no_pull_images), output)
