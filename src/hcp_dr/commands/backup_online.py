"""An online backup: the hosted cluster keeps serving, so backups can follow any schedule."""

from __future__ import annotations

from contextlib import ExitStack, closing

from hcp_dr.commands.begin import journal_checks, require_preflight
from hcp_dr.commands.context import Context, Outcome
from hcp_dr.commands.discover import discover_relocation
from hcp_dr.commands.journaled_case import check_no_unfinished_run, read_remote
from hcp_dr.commands.left_as_was import ONLY_OURS_CHANGED, nothing_begun
from hcp_dr.engine.journal import ABORT, parse_journal
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.peers import check_answering
from hcp_dr.engine.step import Check
from hcp_dr.errors import HcpDrError, Unfinished
from hcp_dr.model import Case
from hcp_dr.procedure import BACKUP_ONLINE, ONLINE_PREFLIGHT, working_steps


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
    check_no_other_backup(context)
    return require_preflight(context, case, lease=lease, steps=ONLINE_PREFLIGHT)


def check_no_other_backup(context: Context) -> None:
    """A stopped relocation will be resumed, and needs its nonce in the hosted cluster then. A killed online backup
    leaves nothing that the next one does not remove. Raises Unfinished, AwsError, NotAuthentic."""
    remote = read_remote(context)
    mirrored, proven = remote.unproven or remote.mirror, remote.unproven is None
    if isinstance(mirrored, HcpDrError):
        raise mirrored
    if mirrored is None:
        return
    story = mirrored.story if proven else parse_journal(mirrored.content, mirrored.where)
    if story.ended:
        return
    command = str(story.command or ABORT)
    if command == BACKUP_ONLINE:
        return
    raise Unfinished(
        path=mirrored.prefix,
        folder=f"s3://{mirrored.bucket}/{mirrored.prefix}",
        command=command,
        step=story.current or "?",
        todo="Continue it with `hcp-dr resume`, or undo it with `hcp-dr abort`; an online backup would overwrite its "
        "nonce in the hosted cluster.",
    )
