"""The rest after the move of the hosted cluster: restart the network pods, restore the instances' protection."""

from __future__ import annotations

from hcp_dr.commands.context import Context, Outcome
from hcp_dr.commands.later_phase import follow


def finish(context: Context) -> Outcome:
    """Raises HcpDrError, StopRequested."""
    return follow(context, "finish")
