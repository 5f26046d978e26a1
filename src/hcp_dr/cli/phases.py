"""What the verbs that carry out a phase have in common: examine, confirm, journal, run, report."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from hcp_dr.cli.session import (
    Output,
    Session,
    carry_out,
    confirm,
    end,
    nothing_begun,
    open_session,
    show,
    who,
)
from hcp_dr.engine.examine import examine, journal_accepted, stopping
from hcp_dr.engine.journal import ABORT, FILE_NAME, Journal, Memory
from hcp_dr.engine.run import FIRST_LIMIT, Scribe
from hcp_dr.engine.step import Check
from hcp_dr.errors import JournalError, NothingToResume
from hcp_dr.model import DNS, TAKEOVER, Case, Dns
from hcp_dr.procedure import PHASES, PREFLIGHT, UNDO, Steps, calling_off
from hcp_dr.procedure.backup import release_dns
from hcp_dr.report import checks as check_report
from hcp_dr.report import outcome


def start(
    command: str,
    env_file: Path | None,
    backup: Path | None,
    output: Output,
    *,
    yes: bool,
    dns: Dns,
    reasons: Mapping[str, str],
) -> None:
    """A command that begins a relocation: preflight first, whole, before anything is written anywhere."""
    with nothing_begun():
        session = open_session(env_file, backup, new=True)
        session.must_be_new()
        case = session.discover()
        checks = examined(session, case, dns, reasons)
        error = stopping(checks)
        if error is not None:
            show(output, check_report.to_json(checks), check_report.to_text(checks))
            raise error
        confirm(
            case.name,
            what=f"The API of hosted cluster {case.namespace}/{case.name} goes away from {case.source} until it serves "
            f"on {case.destination}.{_accepted(checks)}",
            yes=yes,
        )
        accepting = who(session.ports) if reasons else ""
    session.folder.make()
    with closing(session.journal()) as journal:
        journal.write("begin", command=command, case=case.to_json())
        if dns == TAKEOVER:
            journal.write("remember", key=DNS, value=dns)
        journal_accepted(journal, checks, accepting)
        found = (*checks, *carry_out(session, case, journal, working_steps(command)))
    _show(session, journal, found, output)


def _accepted(checks: tuple[Check, ...]) -> str:
    names = [check.name for check in checks if check.accepted]
    return f" Accepted by you: {', '.join(names)}." if names else ""


def examined(session: Session, case: Case, dns: Dns, reasons: Mapping[str, str]) -> tuple[Check, ...]:
    """All checks of preflight. Nobody waits long for an answer before anything has begun."""
    run = session.run(case, Scribe(Memory().with_value(DNS, dns)))
    run.patience = FIRST_LIMIT
    return examine(run, PREFLIGHT, reasons)


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


def call_off(env_file: Path | None, backup: Path | None, output: Output, *, yes: bool) -> None:
    """Undo what the folder's relocation did. Whether that may be is looked at before anything is written."""
    session = open_session(env_file, backup)
    story = session.story()
    if story is None or story.case is None:
        raise NothingToResume(reason=f"{session.folder.path} holds no journal")
    case = Case.from_json(dict(story.case))
    run = session.run(case, Scribe(story.memory))
    run.patience = FIRST_LIMIT
    calling_off.must_be_returnable(run, story)
    confirm(
        case.name,
        what=f"The relocation of hosted cluster {case.namespace}/{case.name} is called off: {case.source} serves it "
        f"again, and what was made of it on {case.destination} is taken away.",
        yes=yes,
    )
    with closing(session.journal()) as journal:
        journal.write("begin", command=ABORT, case=case.to_json())
        checks = carry_out(session, case, journal, UNDO, carry=calling_off.call_off)
    _show(session, journal, checks, output)


def resume_last(env_file: Path | None, backup: Path | None, output: Output, *, dns: Dns | None = None) -> None:
    """The command that the journal says is not finished. `dns` is given where it is to be another than was said."""
    session = open_session(env_file, backup)
    story = session.story()
    if story is None or story.case is None or story.command is None:
        raise NothingToResume(reason=f"{session.folder.path} holds no journal")
    if story.ended:
        raise NothingToResume(reason=f"the {story.command} in {session.folder.path} is finished", todo="")
    if dns is not None and release_dns.STEP.name in story.memory.done:
        raise JournalError(
            path=session.folder.path / FILE_NAME,
            reason=f"the hosted cluster's names are free already, so that --dns {dns} has nothing to decide",
            left="Nothing was changed by this command.",
            todo="Run `hcp-dr resume` without it.",
        )
    case = Case.from_json(dict(story.case))
    with closing(session.journal()) as journal:
        journal.write("resumed")
        if dns is not None:
            journal.write("remember", key=DNS, value=dns)
        if story.called_off:
            checks = carry_out(session, case, journal, UNDO, carry=calling_off.call_off)
        else:
            checks = carry_out(session, case, journal, working_steps(story.command))
    _show(session, journal, checks, output)


def working_steps(command: str) -> Steps:
    """The steps of a command that are journaled: preflight has done its part before the journal begins."""
    return tuple(step for step in PHASES[command] if step not in PREFLIGHT)


def _show(session: Session, journal: Journal, checks: tuple[Check, ...], output: Output) -> None:
    value = outcome.to_json(journal.story, backup_dir=session.folder.folder, result="done", checks=checks)
    show(output, value, outcome.to_text(value))
    end(checks)
