"""`hcp-dr plan [PHASE]`: prints the actions of each step without any change."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr.cli.asking import show
from hcp_dr.cli.options import Backup, DnsOption, EnvFile, FromContext, OutputOption, ToContext, context_of
from hcp_dr.commands import plan as command
from hcp_dr.report import plan as report


def plan(
    phase: Annotated[
        str,
        typer.Argument(help=f"One of {', '.join(command.PLANNED)}; default: resume, if the journal is unfinished."),
    ] = "",
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    dns: DnsOption = "release",
    *,
    source_lost: Annotated[
        bool, typer.Option("--source-lost", help="With restore: plan for a source that does not answer.")
    ] = False,
    from_context: FromContext = None,
    to_context: ToContext = None,
) -> None:
    """Print the actions, waits and checks of each step. Nothing is written anywhere."""
    result = command.plan(
        context_of(env_file, backup, output, from_context=from_context, to_context=to_context),
        phase,
        dns=dns,
        source_lost=source_lost,
    )
    parts = (result.command, result.steps, result.estimate)
    show(output, report.to_json(*parts), report.to_text(*parts))
