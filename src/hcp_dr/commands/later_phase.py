"""A later phase, in the backup folder of the earlier phases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from hcp_dr.commands.context import Confirmation, Context, Outcome
from hcp_dr.commands.journaled_case import known_case
from hcp_dr.engine.step import Watch
from hcp_dr.model import Case
from hcp_dr.procedure import BACKUP_ONLINE, PHASES, WATCHES
from hcp_dr.procedure.resume.refill import STEP as REFILL


def follow(context: Context, command: str, confirmation: Callable[[Case], Confirmation] | None = None) -> Outcome:
    """Carry the phase out. `confirmation` is the question before a phase that removes something. Raises HcpDrError,
    StopRequested."""
    case = known_case(context, command)
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


def watches_of(command: str) -> Sequence[Watch[Any]]:
    """`verify` changes nothing, and an online backup fences nothing, so neither has watches."""
    return () if command in ("verify", BACKUP_ONLINE) else WATCHES
