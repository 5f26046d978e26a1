"""What the verbs that carry out a phase have in common: examine, confirm, journal, run, report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hcp_dr.cli.asking import Output, confirm, end, show, who
from hcp_dr.cli.beginning import ONLY_OURS_CHANGED, nothing_begun
from hcp_dr.cli.session import Session, open_session, stoppable
from hcp_dr.engine.examine import examine, journal_accepted, stopping
from hcp_dr.engine.journal import ABORT, FILE_NAME, Journal, Memory
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.step import Check, Watch
from hcp_dr.engine.telling import Scribe
from hcp_dr.engine.wait import FIRST_LIMIT
from hcp_dr.errors import JournalError, NothingToResume
from hcp_dr.hypershift.dns.handover import is_handed_over
from hcp_dr.model import DNS, HANDOVER, RELEASE, Case, Dns
from hcp_dr.procedure import BACKUP_ONLINE, PHASES, PREFLIGHT, UNDO, WATCHES, Steps, calling_off, working_steps
from hcp_dr.procedure.backup import hold_dns, release_dns
from hcp_dr.procedure.restore.pull_images import LEFT_OUT, PULLED
from hcp_dr.procedure.restore.pull_images import STEP as PULL_IMAGES
from hcp_dr.procedure.resume.refill import STEP as REFILL
from hcp_dr.report import checks as check_report
from hcp_dr.report import outcome, page, relocation


def start(
    command: str,
    env_file: Path | None,
    backup: Path | None,
    output: Output,
    *,
    yes: bool,
    dns: Dns,
    reasons: Mapping[str, str],
    documented_key: bool = False,
) -> None:
    """A command that begins a relocation: preflight first, whole, before anything is written anywhere."""
    with nothing_begun():
        session = open_session(env_file, backup, new=True)
        session.must_be_new()
        case = replace(session.discover(), documented_key=documented_key)
        lease = session.lease(case)
        lease.look()
    with nothing_begun(ONLY_OURS_CHANGED):
        checks = passed(session, case, output, dns, reasons)
        confirm(
            case.name,
            what=f"The API of hosted cluster {case.namespace}/{case.name} goes away from {case.source} until it serves "
            f"on {case.destination}.{_accepted(checks)}",
            yes=yes,
        )
        accepting = who(session.ports) if reasons else ""
    with stoppable(session), ExitStack() as stack:
        with nothing_begun(ONLY_OURS_CHANGED):
            if not stack.enter_context(lease.held()):  # somebody was at work meanwhile
                checks = passed(session, case, output, dns, reasons, lease=lease)
            session.folder.make()
        journal = stack.enter_context(closing(session.journal()))
        work = session.undertaking(case, journal, lease, WATCHES)
        work.begin("begin", command=command, case=case.to_json())
        if dns != RELEASE:
            journal.write("remember", key=DNS, value=dns)
        journal_accepted(journal, checks, accepting)
        journal.write("checked", step="preflight", checks=[asdict(check) for check in checks])
        found = (*checks, *work.carry_out(working_steps(command)))
    show_outcome(session, journal, found, output)


def _accepted(checks: tuple[Check, ...]) -> str:
    names = [check.name for check in checks if check.accepted]
    return f" Accepted by you: {', '.join(names)}." if names else ""


def passed(
    session: Session,
    case: Case,
    output: Output,
    dns: Dns,
    reasons: Mapping[str, str],
    *,
    lease: Lease | None = None,
) -> tuple[Check, ...]:
    """All checks of preflight, none of which stops. Raises CannotMigrate."""
    checks = examined(session, case, dns, reasons, lease=lease)
    error = stopping(checks)
    if error is not None:
        show(output, check_report.to_json(checks), check_report.to_text(checks))
        raise error
    return checks


def examined(
    session: Session,
    case: Case,
    dns: Dns,
    reasons: Mapping[str, str],
    *,
    lease: Lease | None = None,
    steps: Steps = PREFLIGHT,
) -> tuple[Check, ...]:
    """All checks of preflight. Nobody waits long for an answer before anything has begun."""
    run = session.run(case, Scribe(Memory().with_value(DNS, dns)))
    run.lease = lease
    run.patience = FIRST_LIMIT
    return examine(run, steps, reasons)


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
        work = session.undertaking(case, journal, lease, watches_of(command))
        checks = work.catch_up(REFILL)
        session.known_case(command)
        work.begin("begin", command=command, case=case.to_json())
        checks += work.carry_out(PHASES[command])
    show_outcome(session, journal, checks, output)


def call_off(env_file: Path | None, backup: Path | None, output: Output, *, yes: bool) -> None:
    """Undo what a relocation did, begun on this machine or another. Whether that may be is looked at before anything
    is written."""
    session = None
    with suppress(NothingToResume):
        session = open_session(env_file, backup)
    session = session or open_session(env_file, backup, new=True)
    case = session.journaled_case()
    _must_be_returnable(session, case)
    confirm(
        case.name,
        what=f"The relocation of hosted cluster {case.namespace}/{case.name} is called off: {case.source} serves it "
        f"again, and what was made of it on {case.destination} is taken away.",
        yes=yes,
    )
    lease = session.lease(case)
    with stoppable(session), closing(session.journal()) as journal:
        work = session.calling_off(case, journal, lease)
        with lease.held():
            checks = work.catch_up(REFILL)
            _must_be_returnable(session, case)
            work.begin("begin", command=ABORT, case=case.to_json())
            checks += work.carry_out(UNDO, carry=calling_off.call_off)
    show_outcome(session, journal, checks, output)


def _must_be_returnable(session: Session, case: Case) -> None:
    story = session.told()
    run = session.run(case, Scribe(story.memory))
    run.patience = FIRST_LIMIT
    calling_off.must_be_returnable(run, story)


def resume_last(
    session: Session, case: Case, output: Output, *, dns: Dns | None = None, pull_images: bool = True
) -> None:
    """The command that the journal says is not finished. `dns` is given where it is to be another than was said;
    without `pull_images` none is pulled any more. Where another machine went on with another command, its journal is
    taken and nothing else is done."""
    lease = session.lease(case)
    with stoppable(session), closing(session.journal()) as journal:
        command, called_off = journal.story.command, journal.story.called_off
        watches = watches_of(str(command))
        work = (
            session.calling_off(case, journal, lease)
            if called_off
            else session.undertaking(case, journal, lease, watches)
        )
        with lease.held():
            checks = work.catch_up(REFILL)
            session.unfinished_case()
            if journal.story.command != command:
                return
            _must_be_undecided(session, dns, pull_images=pull_images)
            work.begin("resumed")
            if dns is not None:
                journal.write("remember", key=DNS, value=dns)
            if not pull_images:
                journal.write("remember", key=PULLED, value=LEFT_OUT)
            if called_off:
                checks += work.carry_out(UNDO, carry=calling_off.call_off)
            else:
                checks += work.carry_out(working_steps(str(command)))
    show_outcome(session, journal, checks, output)


def _must_be_undecided(session: Session, dns: Dns | None, *, pull_images: bool) -> None:
    memory, reason = session.told().memory, ""
    done = memory.done
    if dns is not None and hold_dns.STEP.name in done and (dns == HANDOVER or is_handed_over(memory)):
        held = "held already" if is_handed_over(memory) else "not held, and that comes before the fence"
        reason = f"the hosted cluster's names are {held}, so that --dns {dns} has nothing to decide"
    elif dns is not None and release_dns.STEP.name in done:
        reason = f"the hosted cluster's names are free already, so that --dns {dns} has nothing to decide"
    elif not pull_images and PULL_IMAGES.name in done:
        reason = "the images are pulled already, so that --no-pull-images has nothing to decide"
    if reason:
        raise JournalError(
            path=session.folder.path / FILE_NAME,
            reason=reason,
            left="Nothing of the hosted cluster was changed by this command.",
            todo="Run `hcp-dr resume` without it.",
        )


def watches_of(command: str) -> Sequence[Watch[Any]]:
    """`verify` alone changes nothing, and an online backup fences nothing, so that they have none."""
    return () if command in ("verify", BACKUP_ONLINE) else WATCHES


def show_outcome(session: Session, journal: Journal, checks: tuple[Check, ...], output: Output) -> None:
    try:
        value = outcome.to_json(journal.story, backup_dir=session.folder.folder, result="done", checks=checks)
        show(output, value, outcome.to_text(value))
    finally:  # also where nobody reads the output any more
        report = relocation.to_json(journal.story, backup_dir=session.folder.folder)
        session.folder.write("report.json", json.dumps(report, indent=1) + "\n")
        session.folder.write("report.txt", relocation.to_text(report) + "\n")
        session.folder.write("report.html", page.to_html(report))
    end(checks)
