"""Removes the hosted cluster from the source, once the destination is proven."""

from __future__ import annotations

from hcp_dr.commands.context import Confirmation, Context, Outcome
from hcp_dr.commands.later_phase import follow
from hcp_dr.model import Case


def teardown(context: Context) -> Outcome:
    """Keeps the instances. Raises HcpDrError, StopRequested."""
    return follow(context, "teardown", _confirmation)


def _confirmation(case: Case) -> Confirmation:
    what = f"Hosted cluster {case.namespace}/{case.name} is removed from {case.source}; its instances keep running."
    return Confirmation(case.name, what)
