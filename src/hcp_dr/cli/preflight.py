"""`hcp-dr preflight`: runs all checks; the only change is a probe object in the bucket."""

from __future__ import annotations

import typer

from hcp_dr.cli.asking import reasons_by_check, show
from hcp_dr.cli.options import DnsOption, EnvFile, FromContext, IgnoreCheck, OutputOption, Reason, ToContext, context_of
from hcp_dr.commands import preflight as command
from hcp_dr.commands.context import exit_code_of
from hcp_dr.commands.left_as_was import nothing_begun
from hcp_dr.errors import DONE
from hcp_dr.report import checks as report


def preflight(
    env_file: EnvFile = None,
    output: OutputOption = "text",
    dns: DnsOption = "release",
    ignore_check: IgnoreCheck = None,
    reason: Reason = None,
    *,
    from_context: FromContext = None,
    to_context: ToContext = None,
) -> None:
    """Check whether the hosted cluster can be relocated."""
    with nothing_begun():
        reasons = reasons_by_check(ignore_check, reason)
        context = context_of(env_file, output=output, from_context=from_context, to_context=to_context)
    checks = command.preflight(context, dns=dns, reasons=reasons)
    show(output, report.to_json(checks), report.to_text(checks))
    if (code := exit_code_of(checks)) != DONE:
        raise typer.Exit(code)
