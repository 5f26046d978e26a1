"""From a running hosted cluster to a fenced one, with its objects and etcd in the bucket."""

from __future__ import annotations

from collections.abc import Mapping

from hcp_dr.commands.begin import begin
from hcp_dr.commands.context import Context, Outcome
from hcp_dr.engine.check_run import NOTHING
from hcp_dr.errors import SettingsError
from hcp_dr.model import HANDOVER, RELEASE, Dns


def backup(
    context: Context,
    *,
    dns: Dns = RELEASE,
    reasons: Mapping[str, str] = NOTHING,
    documented_key: bool = False,
) -> Outcome:
    """Pause, export, fence and snapshot the hosted cluster, and release its DNS names. The parameters are those of
    `relocate`. Raises HcpDrError, StopRequested."""
    if documented_key and dns == HANDOVER:
        raise SettingsError(
            what="With --dns handover hcp-dr owns the DNS names until it restores; a restore by hand never gets them.",
            todo="Leave out --documented-key or --dns handover.",
        )
    return begin(context, "backup", dns=dns, reasons=reasons, documented_key=documented_key)
