"""`hcp-dr relocate`: the complete relocation, from preflight to finish."""

from __future__ import annotations

from hcp_dr.cli.asking import reasons_by_check, show_outcome
from hcp_dr.cli.options import (
    Backup,
    DnsOption,
    DocumentedKey,
    EnvFile,
    FromContext,
    IgnoreCheck,
    OutputOption,
    Reason,
    ToContext,
    Yes,
    context_of,
)
from hcp_dr.commands import relocate as command


def relocate(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    *,
    dns: DnsOption = "release",
    ignore_check: IgnoreCheck = None,
    reason: Reason = None,
    documented_key: DocumentedKey = False,
    yes: Yes = False,
    from_context: FromContext = None,
    to_context: ToContext = None,
) -> None:
    """Relocate the hosted cluster from the source to the destination management cluster."""
    reasons = reasons_by_check(ignore_check, reason)
    context = context_of(env_file, backup, output, yes=yes, from_context=from_context, to_context=to_context)
    show_outcome(command.relocate(context, dns=dns, reasons=reasons, documented_key=documented_key), output)
