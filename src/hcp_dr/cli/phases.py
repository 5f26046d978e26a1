"""What the verbs that carry out a phase have in common: examine, confirm, journal, run, report."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

from hcp_dr.cli.session import (
    Output,
    Session,
    confirm,
    nothing_begun,
    open_session,
    show,
    stoppable,
)
from hcp_dr.engine.examine import examine, stopping
from hcp_dr.engine.journal import Journal
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.run import FIRST_LIMIT, Scribe
from hcp_dr.engine.step import Check
from hcp_dr.model import Case
from hcp_dr.procedure import PHASES, PREFLIGHT, Steps
from hcp_dr.procedure.refilling import REFILL
from hcp_dr.report import checks as check_report
from hcp_dr.report import outcome


def start(command: str, env_file: Path | None, backup: Path | None, output: Output, *, yes: bool) -> None:
    """A command that begins a relocation: preflight first, whole, before anything is written anywhere."""
    with nothing_begun():
        session = open_session(env_file, backup, new=True)
        session.must_be_new()
        case = session.discover()
        lease = session.lease(case)
        lease.look()
        checks = passed(session, case, output)
        confirm(
            case.name,
            what=f"The API of hosted cluster {case.namespace}/{case.name} goes away from {case.source} until it serves "
            f"on {case.destination}.",
            yes=yes,
        )
    with stoppable(session), ExitStack() as stack:
        with nothing_begun():
            if not stack.enter_context(lease.held()):  # somebody was at work meanwhile
                checks = passed(session, case, output, lease)
        session.folder.make()
        journal = stack.enter_context(closing(session.journal()))
        work = session.undertaking(case, journal, lease)
        found = (*checks, *work.carry_out("begin", working_steps(command), command=command, case=case.to_json()))
    _show(session, journal, found, output)


def passed(session: Session, case: Case, output: Output, lease: Lease | None = None) -> tuple[Check, ...]:
    """All checks of preflight, none of which stops. Raises CannotMigrate."""
    checks = examined(session, case, lease)
    error = stopping(checks)
    if error is not None:
        show(output, check_report.to_json(checks), check_report.to_text(checks))
        raise error
    return checks


def examined(session: Session, case: Case, lease: Lease | None = None) -> tuple[Check, ...]:
    """All checks of preflight. Nobody waits long for an answer before anything has begun."""
    run = session.run(case, Scribe())
    run.lease = lease
    run.patience = FIRST_LIMIT
    return examine(run, PREFLIGHT)


def go_on(
    command: str, env_file: Path | None, backup: Path | None, output: Output, *, confirmed: bool | None = None
) -> None:
    """A phase that follows others, in the folder that they left. `confirmed` is given for a phase that removes."""
    session = open_session(env_file, backup)
    case = session.known_case(command)
    if confirmed is not None:
        what = f"Hosted cluster {case.namespace}/{case.name} is removed from {case.source}; its instances live on."
        confirm(case.name, what=what, yes=confirmed)
    lease = session.lease(case)
    with stoppable(session), closing(session.journal()) as journal, lease.held():
        work = session.undertaking(case, journal, lease)
        checks = work.catch_up(REFILL)
        session.known_case(command)
        checks += work.carry_out("begin", PHASES[command], command=command, case=case.to_json())
    _show(session, journal, checks, output)


def resume_last(env_file: Path | None, backup: Path | None, output: Output) -> None:
    """The command that the journal says is not finished, be it this machine's or another's."""
    session = open_session(env_file, backup, new=True)
    case = session.unfinished_case()
    lease = session.lease(case)
    with stoppable(session), closing(session.journal()) as journal, lease.held():
        work = session.undertaking(case, journal, lease)
        checks = work.catch_up(REFILL)
        session.unfinished_case()
        checks += work.carry_out("resumed", working_steps(str(journal.story.command)))
    _show(session, journal, checks, output)


def working_steps(command: str) -> Steps:
    """The steps of a command that are journaled: preflight has done its part before the journal begins."""
    return tuple(step for step in PHASES[command] if step not in PREFLIGHT)


def _show(session: Session, journal: Journal, checks: tuple[Check, ...], output: Output) -> None:
    value = outcome.to_json(journal.story, backup_dir=session.folder.folder, result="done", checks=checks)
    show(output, value, outcome.to_text(value))
