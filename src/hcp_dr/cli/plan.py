"""`hcp-dr plan [PHASE]`: prints what each step would do, and does nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr.cli.asking import show
from hcp_dr.cli.options import Backup, DnsOption, EnvFile, OutputOption, context_of
from hcp_dr.commands import plan as command
from hcp_dr.report import plan as report


def plan(
    phase: Annotated[
        str,
        typer.Argument(help=f"One of {', '.join(command.PLANNED)}; else resume where a journal is unfinished."),
    ] = "",
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    dns: DnsOption = "release",
    *,
    source_lost: Annotated[
        bool, typer.Option("--source-lost", help="With restore: while the source does not answer.")
    ] = False,
) -> None:
    """Print what each step would do, wait for and check. Nothing is written anywhere."""
    found = command.plan(context_of(env_file, backup, output), phase, dns=dns, source_lost=source_lost)
    of = (found.command, found.steps, found.estimate)
    show(output, report.to_json(*of), report.to_text(*of))
