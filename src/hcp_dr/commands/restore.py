"""From the backup to a serving control plane on the destination."""

from __future__ import annotations

from hcp_dr.commands.context import Context, Outcome
from hcp_dr.commands.later_phase import follow
from hcp_dr.commands.restore_by_hand import is_by_hand, restore_by_hand


def restore(context: Context) -> Outcome:
    """Also restores a folder made with the documented commands, after judging it. Raises HcpDrError, StopRequested."""
    if is_by_hand(context.folder, context.requested.namespace):
        return restore_by_hand(context)
    return follow(context, "restore")
