"""`hcp-dr preflight`: finds every problem in one run; changes nothing but one probe object in the bucket."""

from __future__ import annotations

import typer

from hcp_dr.cli.asking import reasons_of, show
from hcp_dr.cli.options import Accept, DnsOption, EnvFile, OutputOption, Reason, context_of
from hcp_dr.commands import preflight as command
from hcp_dr.commands.context import exit_code_of
from hcp_dr.commands.left_as_was import nothing_begun
from hcp_dr.errors import DONE
from hcp_dr.report import checks as report


def preflight(
    env_file: EnvFile = None,
    output: OutputOption = "text",
    dns: DnsOption = "release",
    accept: Accept = None,
    reason: Reason = None,
) -> None:
    """Find out whether the hosted cluster can be relocated."""
    with nothing_begun():
        reasons = reasons_of(accept, reason)
        context = context_of(env_file, output=output)
    checks = command.preflight(context, dns=dns, reasons=reasons)
    show(output, report.to_json(checks), report.to_text(checks))
    if (code := exit_code_of(checks)) != DONE:
        raise typer.Exit(code)
