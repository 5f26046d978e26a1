"""Aborts a relocation: undoes its steps, up to the point of no return, and puts the source back into service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from hcp_dr.commands.backups_to_restore import advised
from hcp_dr.commands.context import Confirmation, Context, Outcome
from hcp_dr.commands.journaled_case import journaled_case
from hcp_dr.engine.command_run import CommandRun
from hcp_dr.engine.journal import ABORT, JournalState, OpenJournal, RunState
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.progress import NullJournal
from hcp_dr.engine.run import Run
from hcp_dr.engine.step import Check, Step
from hcp_dr.engine.wait import FIRST_ANSWER_TIMEOUT
from hcp_dr.errors import NothingToResume, PastNoReturn, Refused
from hcp_dr.hypershift.deletion import no_return
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN, RESTORE_HOSTED_CLUSTER
from hcp_dr.model import Case, Side
from hcp_dr.procedure import BACKUP_ONLINE, IN_SERVICE, UNDO
from hcp_dr.procedure.by_hand import judge_backup
from hcp_dr.procedure.resume.refill import STEP as REFILL


@advised
def abort(context: Context) -> Outcome:
    """Undo a relocation begun on this machine or another. Checks that the abort is allowed before it writes anything.
    Raises HcpDrError, StopRequested."""
    try:
        context.choose(context.backups.folder(new=False))
    except NothingToResume:
        context.choose(context.backups.folder(new=True))
    case = journaled_case(context)
    check_abortable(context, case)
    context.confirm(
        Confirmation(
            case.name,
            f"The relocation of hosted cluster {case.namespace}/{case.name} is aborted: {case.source} serves it again, "
            f"and the objects created for it on {case.destination} are removed.",
        )
    )
    lease = context.lease(case)
    with context.while_working(), closing(context.open_journal()) as journal:
        work = command_run(context, case, journal, lease)
        with lease.acquire():
            checks = work.catch_up(REFILL)
            check_abortable(context, case)
            work.begin("begin", command=ABORT, case=case.to_json())
            checks += work.carry_out(UNDO, carry=undo_all)
    return Outcome(journal.story, context.folder, checks)


def command_run(context: Context, case: Case, journal: OpenJournal, lease: Lease) -> CommandRun:
    """An abort has no watches: it undoes the state that the watches guard."""
    return context.command_run(case, journal, lease, without=may_do_without(lambda: journal.memory))


def check_abortable(context: Context, case: Case) -> None:
    """Reads only. Raises PastNoReturn, NothingToResume, Refused."""
    story = context.story
    run = context.run(case, NullJournal(story.memory))
    run.patience = FIRST_ANSWER_TIMEOUT
    check_before_no_return(run, story)


def check_before_no_return(run: Run, story: JournalState) -> None:
    """Raises PastNoReturn, NothingToResume, Refused. `run` writes into no journal."""
    if story.aborted and story.ended:
        raise NothingToResume(
            reason="the relocation was aborted, and the abort is finished",
            todo="Name another BACKUP_DIR for a new relocation.",
        )
    if story.ended and story.command == BACKUP_ONLINE:
        raise NothingToResume(
            reason="the online backup is finished, and the hosted cluster serves as before",
            todo="Nothing is to be undone.",
        )
    if story.ended and POINT_OF_NO_RETURN in story.memory.acted:
        raise PastNoReturn(
            why=f"the {story.command} has ended",
            left="Nothing of the hosted cluster was changed by this command.",
            todo="Continue as `hcp-dr status` advises. To move the hosted cluster back to the source, relocate it "
            "again afterwards: exchange MGMT_* and MGMT2_*, and name a new BACKUP_DIR.",
        )
    run.carry_out_one(no_return.CHECK)
    if judge_backup.STEP.name in story.memory.begun:
        raise Refused(
            what="The source was fenced by hand before hcp-dr began. Its state before the fence is unknown, so the "
            "restore of a backup made by hand cannot be aborted.",
            left="Nothing of the hosted cluster was changed by this command; the source stays fenced.",
            todo="Run `hcp-dr resume` to finish the restore. To move the hosted cluster back to the source, relocate "
            "it again afterwards: exchange MGMT_* and MGMT2_*, and name a new BACKUP_DIR.",
        )
    if not any(step.name in story.memory.begun for step in UNDO):
        raise NothingToResume(reason="no step was begun that could be undone", todo="Continue with `hcp-dr resume`.")


def undo_all(run: Run, steps: Sequence[Step[Any]]) -> tuple[Check, ...]:
    """Undo the steps, and prove that the source is in service. Starts nothing on the source before checking the
    destination: a resumed abort may have an older journal than at its beginning. Raises as `Run.carry_out`."""
    if RESTORE_HOSTED_CLUSTER not in run.journal.memory.begun:
        look = replace(run, journal=NullJournal(run.journal.memory), mirror=None, patience=FIRST_ANSWER_TIMEOUT)
        look.carry_out_one(no_return.CHECK)
    return (*run.undo(steps), *run.carry_out(IN_SERVICE))


def may_do_without(memory: Callable[[], RunState]) -> Callable[[Side], bool]:
    """Whether an abort can continue without an unreachable management cluster: only without the destination, and only
    while this relocation has no HostedCluster there. The source must not stay paused because the destination is down.
    The restore of a lost source has its Lease on the destination and none on the source, so only the destination shows
    one at work. `memory` returns the current journal state, possibly from another machine; `check_before_no_return`
    decides whether that state is complete."""
    return lambda side: side == "destination" and RESTORE_HOSTED_CLUSTER not in memory().begun and not is_lost(memory())
