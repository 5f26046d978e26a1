"""`hcp-dr backup`: from a running hosted cluster to a fenced one in the bucket."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr.cli.asking import reasons_of, show_outcome
from hcp_dr.cli.options import Accept, Backup, DnsOption, DocumentedKey, EnvFile, OutputOption, Reason, Yes, context_of
from hcp_dr.commands import backup as command
from hcp_dr.commands.backup_online import backup_online
from hcp_dr.errors import SettingsError


def backup(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    *,
    online: Annotated[
        bool, typer.Option("--online", help="While the hosted cluster goes on: no pause, no fence, no names freed.")
    ] = False,
    dns: DnsOption = "release",
    accept: Accept = None,
    reason: Reason = None,
    documented_key: DocumentedKey = False,
    yes: Yes = False,
) -> None:
    """Pause, export, fence and snapshot the hosted cluster, and free its names (8.6.2)."""
    if online:
        if dns != "release" or accept or reason or documented_key:
            raise SettingsError(
                what="--online frees no names, copies no snapshot, and accepts nothing that its preflight finds.",
                todo="Leave --dns, --accept, --reason and --documented-key out.",
            )
        return show_outcome(backup_online(context_of(env_file, backup, output)), output)
    reasons = reasons_of(accept, reason)
    context = context_of(env_file, backup, output, yes=yes)
    return show_outcome(command.backup(context, dns=dns, reasons=reasons, documented_key=documented_key), output)
