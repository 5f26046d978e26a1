"""Proves that the destination serves this very cluster. Reads only, and journals the proofs."""

from __future__ import annotations

from hcp_dr.commands.context import Context, Outcome
from hcp_dr.commands.later_phase import follow


def verify(context: Context) -> Outcome:
    """Raises HcpDrError, StopRequested."""
    return follow(context, "verify")
