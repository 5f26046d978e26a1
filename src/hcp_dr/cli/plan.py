"""`hcp-dr plan [PHASE]`: prints what each step would do, and does nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr.cli.asking import show
from hcp_dr.cli.options import Backup, DnsOption, EnvFile, OutputOption, context_of
from hcp_dr.commands import plan as command
from hcp_dr.procedure import PHASES
from hcp_dr.report import plan as report


def plan(
    phase: Annotated[str, typer.Argument(help=f"One of {', '.join(PHASES)}.")] = "relocate",
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    dns: DnsOption = "release",
) -> None:
    """Print what each step would do. Nothing is written anywhere."""
    found = command.plan(context_of(env_file, backup, output), phase, dns=dns)
    show(output, report.to_json(found.steps, found.estimate), report.to_text(found.steps, found.estimate))
