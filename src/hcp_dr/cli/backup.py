"""`hcp-dr backup`: from a running hosted cluster to a fenced one in the bucket."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr.cli.asking import reasons_of
from hcp_dr.cli.online import back_up
from hcp_dr.cli.phases import start
from hcp_dr.cli.session import Accept, Backup, DnsOption, DocumentedKey, EnvFile, OutputOption, Reason, Yes
from hcp_dr.errors import SettingsError
from hcp_dr.model import HANDOVER


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
        return back_up(env_file, backup, output)
    if documented_key and dns == HANDOVER:
        raise SettingsError(
            what="With --dns handover the names are hcp-dr's until it restores; a restore by hand never gets them.",
            todo="Leave --documented-key or --dns handover out.",
        )
    return start(
        "backup",
        env_file,
        backup,
        output,
        yes=yes,
        dns=dns,
        reasons=reasons_of(accept, reason),
        documented_key=documented_key,
    )
