"""A later phase, in the backup folder of the earlier phases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import Any

from hcp_dr.commands.backups_to_restore import advised
from hcp_dr.commands.begun import is_over
from hcp_dr.commands.context import Confirmation, Context, Outcome
from hcp_dr.commands.journaled_case import known_case
from hcp_dr.commands.left_as_was import NOT_BY_THIS_COMMAND, nothing_begun
from hcp_dr.engine.peers import check_same_cluster
from hcp_dr.engine.progress import NullJournal
from hcp_dr.engine.step import Watch
from hcp_dr.engine.wait import FIRST_ANSWER_TIMEOUT
from hcp_dr.errors import ClusterUnreachable
from hcp_dr.model import Case
from hcp_dr.procedure import BACKUP_ONLINE, PHASES, WATCHES
from hcp_dr.procedure.resume.refill import STEP as REFILL


@advised
def follow(context: Context, command: str, confirmation: Callable[[Case], Confirmation] | None = None) -> Outcome:
    """Carry the phase out. `confirmation` is the question before a phase that removes something. Raises HcpDrError,
    StopRequested."""
    with nothing_begun(NOT_BY_THIS_COMMAND):
        case = known_case(context, command)
    if is_over(context.story, command):
        return _look_again(context, case, command)
    if confirmation is not None:
        context.confirm(confirmation(case))
    lease = context.lease(case)
    with context.while_working(), closing(context.open_journal()) as journal, lease.acquire():
        work = context.command_run(case, journal, lease, watches_of(command))
        checks = work.catch_up(REFILL)
        known_case(context, command)
        work.begin("begin", command=command, case=case.to_json())
        checks += work.carry_out(PHASES[command])
    return Outcome(journal.story, context.folder, checks)


def _look_again(context: Context, case: Case, command: str) -> Outcome:
    """A phase of a relocation that has ended changes nothing, not even its journal: only the proofs are read again."""
    story, ports = context.story, context.ports
    check_same_cluster(ports, case, "destination")
    with suppress(ClusterUnreachable):  # a source that was switched off since
        check_same_cluster(ports, case, "source")
    run = context.run(case, NullJournal(story.memory))
    run.patience = FIRST_ANSWER_TIMEOUT
    with context.while_working():
        checks = run.carry_out([step for step in PHASES[command] if step.proof and step.checks])
    return Outcome(story, context.folder, checks, command)


def watches_of(command: str) -> Sequence[Watch[Any]]:
    """`verify` changes nothing, and an online backup fences nothing, so neither has watches."""
    return () if command in ("verify", BACKUP_ONLINE) else WATCHES
