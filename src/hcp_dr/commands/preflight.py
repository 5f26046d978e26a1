"""Finds every problem in one run; changes nothing but one probe object in the bucket."""

from __future__ import annotations

from collections.abc import Mapping

from hcp_dr.commands.backups_to_restore import advised
from hcp_dr.commands.begin import require_preflight
from hcp_dr.commands.begun import check_nothing_begun
from hcp_dr.commands.context import Context
from hcp_dr.commands.discover import survey_relocation
from hcp_dr.commands.journaled_case import check_nothing_begun_here
from hcp_dr.commands.left_as_was import ONLY_OURS_CHANGED, nothing_begun
from hcp_dr.engine.check_run import NOTHING
from hcp_dr.engine.step import Check
from hcp_dr.model import RELEASE, Dns


@advised
def preflight(context: Context, *, dns: Dns = RELEASE, reasons: Mapping[str, str] = NOTHING) -> tuple[Check, ...]:
    """All checks, if none of them blocks a relocation. Raises HcpDrError."""
    with nothing_begun():
        context.choose(context.backups.folder(new=True))
        check_nothing_begun_here(context)
        check_nothing_begun(context)
        found = survey_relocation(context)
    with nothing_begun(ONLY_OURS_CHANGED):
        return require_preflight(context, found.case, found, dns=dns, reasons=reasons)
