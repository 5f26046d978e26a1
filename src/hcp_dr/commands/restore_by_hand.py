"""Restores a folder made with the documented commands: judged completely before any write."""

from __future__ import annotations

from contextlib import ExitStack, closing

from hcp_dr.commands.backups_to_restore import advised
from hcp_dr.commands.begin import journal_checks, require_preflight
from hcp_dr.commands.begun import check_nothing_begun
from hcp_dr.commands.context import Confirmation, Context, Folder, Outcome
from hcp_dr.commands.discover import discover_relocation
from hcp_dr.commands.journaled_case import check_usable
from hcp_dr.commands.left_as_was import ONLY_OURS_CHANGED, nothing_begun
from hcp_dr.engine.journal import RESTORE_BY_HAND as COMMAND
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.peers import check_answering
from hcp_dr.engine.progress import NullJournal
from hcp_dr.engine.step import Check
from hcp_dr.hypershift.backup_objects import to_restore
from hcp_dr.hypershift.fields import find_unknown, warn_unknown
from hcp_dr.hypershift.manual_backup.folder import is_made_by_hand
from hcp_dr.hypershift.manual_backup.snapshot import SNAPSHOT_WHOLE
from hcp_dr.model import Case
from hcp_dr.procedure import PREFLIGHT_BY_HAND, RESTORE_BY_HAND, WATCHES


def is_by_hand(folder: Folder, namespace: str) -> bool:
    """No journal, no manifest, but objects."""
    return folder.story() is None and is_made_by_hand(folder, namespace)


@advised
def restore_by_hand(context: Context) -> Outcome:
    """Asks for the hosted cluster's name if the snapshot is not proven to hold all writes. Raises HcpDrError,
    StopRequested."""
    with nothing_begun():
        check_usable(context, by_hand=True)
        check_nothing_begun(context)
        case = discover_relocation(context)
        check_answering(context.ports, case, lost=False)
        lease = context.lease(case)
        lease.record_versions()
        judged, checks = _judge(context, case)
        _confirm(context, case, checks)
    with context.while_working(), ExitStack() as stack:
        with nothing_begun(ONLY_OURS_CHANGED):
            if not stack.enter_context(lease.acquire()):  # another client was at work since
                judged, checks = _judge(context, case, lease)
                _confirm(context, case, checks)
            context.folder.make(by_hand=True)
        journal = stack.enter_context(closing(context.open_journal()))
        work = context.command_run(case, journal, lease, WATCHES)
        work.begin("begin", command=COMMAND, case=case.to_json())
        for key, value in judged.memory.values.items():
            journal.write("remember", key=key, value=value)
        journal_checks(journal, "preflight", checks)
        checks += work.carry_out(RESTORE_BY_HAND)
    return Outcome(journal.story, context.folder, checks)


def _judge(context: Context, case: Case, lease: Lease | None = None) -> tuple[NullJournal, tuple[Check, ...]]:
    """The values that the steps remember, and all checks, none of which blocks. Raises CannotMigrate."""
    judged = NullJournal()
    checks = require_preflight(context, case, lease=lease, steps=PREFLIGHT_BY_HAND, journal=judged)
    items = (item.body for item in to_restore(context.ports, case))
    return judged, (*checks, warn_unknown(find_unknown(items)))


def _confirm(context: Context, case: Case, checks: tuple[Check, ...]) -> None:
    """Raises ConfirmationMissing."""
    doubt = next((check for check in checks if check.name == SNAPSHOT_WHOLE and check.verdict == "warning"), None)
    if doubt is not None:
        what = f"The snapshot is not proven to hold all writes: {doubt.seen}. {doubt.why.capitalize()}; {doubt.todo}."
        context.confirm(Confirmation(case.name, what))
