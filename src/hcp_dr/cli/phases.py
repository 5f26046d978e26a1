"""What the verbs that carry out a phase have in common: examine, confirm, journal, run, report."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from hcp_dr.cli.session import (
    Output,
    Session,
    carry_out,
    confirm,
    nothing_begun,
    open_session,
    show,
)
from hcp_dr.engine.examine import examine, stopping
from hcp_dr.engine.journal import Journal
from hcp_dr.engine.run import FIRST_LIMIT, Scribe
from hcp_dr.engine.step import Check
from hcp_dr.errors import NothingToResume
from hcp_dr.model import Case
from hcp_dr.procedure import PHASES, PREFLIGHT, Steps
from hcp_dr.report import checks as check_report
from hcp_dr.report import outcome


def start(
    command: str, env_file: Path | None, backup: Path | None, output: Output, *, yes: bool, documented_key: bool = False
) -> None:
    """A command that begins a relocation: preflight first, whole, before anything is written anywhere."""
    with nothing_begun():
        session = open_session(env_file, backup, new=True)
        session.must_be_new()
        case = replace(session.discover(), documented_key=documented_key)
        checks = examined(session, case)
        error = stopping(checks)
        if error is not None:
            show(output, check_report.to_json(checks), check_report.to_text(checks))
            raise error
        confirm(
            case.name,
            what=f"The API of hosted cluster {case.namespace}/{case.name} goes away from {case.source} until it serves "
            f"on {case.destination}.",
            yes=yes,
        )
    session.folder.make()
    with closing(session.journal()) as journal:
        journal.write("begin", command=command, case=case.to_json())
        found = (*checks, *carry_out(session, case, journal, working_steps(command)))
    _show(session, journal, found, output)


def examined(session: Session, case: Case) -> tuple[Check, ...]:
    """All checks of preflight. Nobody waits long for an answer before anything has begun."""
    run = session.run(case, Scribe())
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
    with closing(session.journal()) as journal:
        journal.write("begin", command=command, case=case.to_json())
        checks = carry_out(session, case, journal, PHASES[command])
    _show(session, journal, checks, output)


def resume_last(env_file: Path | None, backup: Path | None, output: Output) -> None:
    """The command that the journal says is not finished."""
    session = open_session(env_file, backup)
    story = session.story()
    if story is None or story.case is None or story.command is None:
        raise NothingToResume(reason=f"{session.folder.path} holds no journal")
    if story.ended:
        raise NothingToResume(reason=f"the {story.command} in {session.folder.path} is finished", todo="")
    with closing(session.journal()) as journal:
        journal.write("resumed")
        checks = carry_out(session, Case.from_json(dict(story.case)), journal, working_steps(story.command))
    _show(session, journal, checks, output)


def working_steps(command: str) -> Steps:
    """The steps of a command that are journaled: preflight has done its part before the journal begins."""
    return tuple(step for step in PHASES[command] if step not in PREFLIGHT)


def _show(session: Session, journal: Journal, checks: tuple[Check, ...], output: Output) -> None:
    value = outcome.to_json(journal.story, backup_dir=session.folder.folder, result="done", checks=checks)
    show(output, value, outcome.to_text(value))
