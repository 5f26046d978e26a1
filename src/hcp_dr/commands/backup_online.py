"""An online backup: the hosted cluster keeps serving, so backups can follow any schedule."""

from __future__ import annotations

from contextlib import ExitStack, closing

from hcp_dr.commands.backups_to_restore import advised
from hcp_dr.commands.begin import journal_checks, require_preflight
from hcp_dr.commands.begun import check_nothing_begun
from hcp_dr.commands.context import Context, Outcome
from hcp_dr.commands.discover import discover_relocation
from hcp_dr.commands.journaled_case import check_no_unfinished_run
from hcp_dr.commands.left_as_was import ONLY_OURS_CHANGED, nothing_begun
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.peers import check_answering
from hcp_dr.engine.step import Check
from hcp_dr.model import Case
from hcp_dr.procedure import BACKUP_ONLINE, ONLINE_PREFLIGHT, working_steps


@advised
def backup_online(context: Context) -> Outcome:
    """Export the objects and snapshot etcd into a new backup folder. Needs no confirmation, because it removes nothing.
    Raises HcpDrError, StopRequested."""
    with nothing_begun():
        context.choose(context.backups.online_folder())
        check_no_unfinished_run(context)
        case = discover_relocation(context)
        check_answering(context.ports, case, lost=False)
        lease = context.lease(case)
        lease.record_versions()
    with nothing_begun(ONLY_OURS_CHANGED):
        checks = _check_ready(context, case)
    with context.while_working(), ExitStack() as stack:
        with nothing_begun(ONLY_OURS_CHANGED):
            if not stack.enter_context(lease.acquire()):  # another client was at work since
                checks = _check_ready(context, case, lease)
            context.folder.make()
        journal = stack.enter_context(closing(context.open_journal()))
        work = context.command_run(case, journal, lease)
        work.begin("begin", command=BACKUP_ONLINE, case=case.to_json())
        journal_checks(journal, "preflight", checks)
        checks += work.carry_out(working_steps(BACKUP_ONLINE))
    return Outcome(journal.story, context.folder, checks)


def _check_ready(context: Context, case: Case, lease: Lease | None = None) -> tuple[Check, ...]:
    """Raises Unfinished, CannotMigrate."""
    check_nothing_begun(context)
    return require_preflight(context, case, lease=lease, steps=ONLINE_PREFLIGHT)
