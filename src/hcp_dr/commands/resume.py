"""Continues the command at the end of the journal."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from hcp_dr.commands import abort
from hcp_dr.commands.backups_to_restore import advised
from hcp_dr.commands.context import Context, Outcome
from hcp_dr.commands.journaled_case import unfinished_case
from hcp_dr.commands.later_phase import watches_of
from hcp_dr.commands.restore_lost import resume_lost
from hcp_dr.engine.check_run import journaled_checks
from hcp_dr.engine.journal import FILE_NAME, RunState, keep
from hcp_dr.errors import RESUME, JournalError
from hcp_dr.hypershift.dns.handover import is_handed_over
from hcp_dr.hypershift.state import DNS, PULLED
from hcp_dr.model import HANDOVER, Case, Dns
from hcp_dr.procedure import RESTORE_LOST, UNDO, working_steps
from hcp_dr.procedure.backup import hold_dns, release_dns
from hcp_dr.procedure.restore.pull_images import LEFT_OUT
from hcp_dr.procedure.restore.pull_images import STEP as PULL_IMAGES
from hcp_dr.procedure.resume.refill import STEP as REFILL


@advised
def resume(context: Context, *, dns: Dns | None = None, pull_images: bool = True) -> Outcome:
    """Continue the unfinished command of the journal. `dns` replaces the first choice; without `pull_images` no further
    images are pulled. If another machine continued with another command, that command is resumed. The result has the
    checks of the runs before, too. Raises HcpDrError, StopRequested."""
    context.choose(context.backups.folder(new=True))
    while True:
        case = unfinished_case(context)
        if context.story.command == RESTORE_LOST:
            outcome = resume_lost(context, case)
        else:
            outcome = _resume(context, case, dns=dns, pull_images=pull_images)
        if outcome is not None:
            before = () if outcome.story.aborted else journaled_checks(outcome.story)
            return replace(outcome, checks=tuple(dict.fromkeys((*outcome.checks, *before))))


def _resume(context: Context, case: Case, *, dns: Dns | None, pull_images: bool) -> Outcome | None:
    """If another machine continued with another command, only its journal is taken, and the result is None."""
    lease = context.lease(case)
    with context.while_working(), closing(context.open_journal()) as journal:
        command, aborted = str(journal.story.command), journal.story.aborted
        work = (
            abort.command_run(context, case, journal, lease)
            if aborted
            else context.command_run(case, journal, lease, watches_of(command))
        )
        with lease.acquire():
            checks = work.catch_up(REFILL)
            unfinished_case(context)
            if journal.story.command != command:
                return None
            _check_options_apply(context, journal.memory, dns, pull_images=pull_images)
            work.begin("resumed")
            if dns is not None:
                keep(journal, DNS.remember(dns))
            if not pull_images:
                keep(journal, PULLED.remember(LEFT_OUT))
            if aborted:
                checks += work.carry_out(UNDO, carry=abort.undo_all)
            else:
                checks += work.carry_out(working_steps(command))
    return Outcome(journal.story, context.folder, checks)


def _check_options_apply(context: Context, memory: RunState, dns: Dns | None, *, pull_images: bool) -> None:
    reason, done = "", memory.done
    if dns is not None and hold_dns.STEP.name in done and (dns == HANDOVER or is_handed_over(memory)):
        state = "already held" if is_handed_over(memory) else "not held, and holding them must precede the fence"
        reason = f"--dns {dns} has no effect: the DNS names are {state}"
    elif dns is not None and release_dns.STEP.name in done:
        reason = f"--dns {dns} has no effect: the DNS names were already released"
    elif not pull_images and PULL_IMAGES.name in done:
        reason = "--no-pull-images has no effect: the images were already pulled"
    if reason:
        raise JournalError(
            path=f"{context.folder.folder}/{FILE_NAME}",
            reason=reason,
            left="Nothing of the hosted cluster was changed by this command.",
            todo=f"Run {RESUME} without this option.",
        )
