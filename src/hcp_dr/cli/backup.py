"""`hcp-dr backup`: from a running hosted cluster to a fenced one in the bucket."""

from __future__ import annotations

from hcp_dr.cli.phases import start
from hcp_dr.cli.session import (
    Accept,
    Backup,
    DnsOption,
    DocumentedKey,
    EnvFile,
    OutputOption,
    Reason,
    Yes,
    reasons_of,
)


def backup(
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
    """Pause, export, fence and snapshot the hosted cluster, and free its names (8.6.2)."""
    start(
        "backup",
        env_file,
        backup,
        output,
        yes=yes,
        dns=dns,
        reasons=reasons_of(accept, reason),
        documented_key=documented_key,
    )
