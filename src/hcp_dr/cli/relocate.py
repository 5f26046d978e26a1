"""`hcp-dr relocate`: the whole way, from preflight to finish."""

from __future__ import annotations

from hcp_dr.cli.asking import reasons_of, show_outcome
from hcp_dr.cli.options import Accept, Backup, DnsOption, DocumentedKey, EnvFile, OutputOption, Reason, Yes, context_of
from hcp_dr.commands import relocate as command


def relocate(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    *,
    dns: DnsOption = "release",
    accept: Accept = None,
    reason: Reason = None,
    documented_key: DocumentedKey = False,
    yes: Yes = False,
) -> None:
    """Carry the hosted cluster from the source to the destination management cluster."""
    reasons = reasons_of(accept, reason)
    context = context_of(env_file, backup, output, yes=yes)
    show_outcome(command.relocate(context, dns=dns, reasons=reasons, documented_key=documented_key), output)
