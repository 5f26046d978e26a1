"""The whole relocation, from preflight to finish."""

from __future__ import annotations

from collections.abc import Mapping

from hcp_dr.commands.begin import begin
from hcp_dr.commands.context import Context, Outcome
from hcp_dr.engine.check_run import NOTHING
from hcp_dr.model import RELEASE, Dns


def relocate(
    context: Context,
    *,
    dns: Dns = RELEASE,
    reasons: Mapping[str, str] = NOTHING,
    documented_key: bool = False,
) -> Outcome:
    """Move the hosted cluster from the source to the destination management cluster. `dns` selects how its DNS names
    move; `reasons` maps the name of an accepted preflight check to the reason; with `documented_key` the snapshot is
    also stored under the documented key. Raises HcpDrError, StopRequested."""
    return begin(context, "relocate", dns=dns, reasons=reasons, documented_key=documented_key)
