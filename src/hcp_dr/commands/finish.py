"""What remains when the hosted cluster has moved: restart the network pods, put the instances' protection back."""

from __future__ import annotations

from hcp_dr.commands.context import Context, Outcome
from hcp_dr.commands.later_phase import follow


def finish(context: Context) -> Outcome:
    """Raises HcpDrError, StopRequested."""
    return follow(context, "finish")
