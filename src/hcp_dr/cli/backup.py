"""`hcp-dr backup`: fences a running hosted cluster and saves it in the backup folder and the bucket."""

from __future__ import annotations

from typing import Annotated

import typer

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
from hcp_dr.commands import backup as command
from hcp_dr.commands.backup_online import backup_online
from hcp_dr.errors import SettingsError


def backup(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    *,
    online: Annotated[
        bool,
        typer.Option(
            "--online", help="Back up while the hosted cluster keeps serving: no pause, no fence, no DNS change."
        ),
    ] = False,
    dns: DnsOption = "release",
    ignore_check: IgnoreCheck = None,
    reason: Reason = None,
    documented_key: DocumentedKey = False,
    yes: Yes = False,
    from_context: FromContext = None,
    to_context: ToContext = None,
) -> None:
    """Pause, export, fence and snapshot the hosted cluster, and release its DNS names (8.6.2)."""
    if online:
        if dns != "release" or ignore_check or reason or documented_key:
            raise SettingsError(
                what="--online does not allow --dns, --ignore-check, --reason or --documented-key: an online backup "
                "releases no DNS names, copies no snapshot, and ignores no check.",
                todo="Run the command without these options.",
            )
        return show_outcome(
            backup_online(context_of(env_file, backup, output, from_context=from_context, to_context=to_context)),
            output,
        )
    reasons = reasons_by_check(ignore_check, reason)
    context = context_of(env_file, backup, output, yes=yes, from_context=from_context, to_context=to_context)
    return show_outcome(command.backup(context, dns=dns, reasons=reasons, documented_key=documented_key), output)
