"""`hcp-dr relocate`: the whole way, from preflight to finish."""

from __future__ import annotations

from hcp_dr.cli.asking import reasons_of
from hcp_dr.cli.phases import start
from hcp_dr.cli.session import Accept, Backup, DnsOption, DocumentedKey, EnvFile, OutputOption, Reason, Yes


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
    start(
        "relocate",
        env_file,
        backup,
        output,
        yes=yes,
        dns=dns,
        reasons=reasons_of(accept, reason),
        documented_key=documented_key,
    )
