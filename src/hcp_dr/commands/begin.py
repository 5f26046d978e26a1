"""The beginning of a relocation: first all of preflight, before any write; then, with both Leases held, the journal and
the steps of the command."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, replace

from hcp_dr.commands.backups_to_restore import add_advice, advised
from hcp_dr.commands.begun import check_nothing_begun
from hcp_dr.commands.context import Confirmation, Context, Outcome
from hcp_dr.commands.discover import Found, survey_relocation
from hcp_dr.commands.journaled_case import check_no_unfinished_run
from hcp_dr.commands.left_as_was import ONLY_OURS_CHANGED, nothing_begun
from hcp_dr.engine.check_run import NOTHING, record_accepted, run_checks
from hcp_dr.engine.journal import JournalWriter, RunState, keep
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.progress import NullJournal
from hcp_dr.engine.step import Check
from hcp_dr.engine.wait import FIRST_ANSWER_TIMEOUT
from hcp_dr.errors import ArchiveError, HcpDrError
from hcp_dr.hypershift.state import DNS
from hcp_dr.model import RELEASE, Case, Dns
from hcp_dr.procedure import PREFLIGHT, WATCHES, Steps, working_steps


@advised
def begin(
    context: Context,
    command: str,
    *,
    dns: Dns = RELEASE,
    reasons: Mapping[str, str] = NOTHING,
    documented_key: bool = False,
) -> Outcome:
    """`relocate` or `backup`, in a new backup folder. `reasons` maps the name of an accepted preflight check to the
    reason. Raises HcpDrError, StopRequested."""
    with nothing_begun():
        context.choose(context.backups.folder(new=True))
        check_no_unfinished_run(context)
        check_nothing_begun(context)
        found = survey_relocation(context)
        case = replace(found.case, documented_key=documented_key)
        lease = context.lease(case)
        if not found.silent:
            lease.record_versions()
    with nothing_begun(ONLY_OURS_CHANGED):
        checks = require_preflight(context, case, found, dns=dns, reasons=reasons)
        context.confirm(
            Confirmation(
                case.name,
                f"The API of hosted cluster {case.namespace}/{case.name} stops on {case.source} until it serves on "
                f"{case.destination}.{_describe_accepted(checks)}",
            )
        )
        accepting = context.who if reasons else ""
    with context.while_working(), ExitStack() as stack:
        with nothing_begun(ONLY_OURS_CHANGED):
            if not stack.enter_context(lease.acquire()):  # another client was at work since
                checks = require_preflight(context, case, dns=dns, reasons=reasons, lease=lease)
            context.folder.make()
        journal = stack.enter_context(closing(context.open_journal()))
        work = context.command_run(case, journal, lease, WATCHES)
        work.begin("begin", command=command, case=case.to_json())
        if dns != RELEASE:
            keep(journal, DNS.remember(dns))
        record_accepted(journal, checks, accepting)
        journal_checks(journal, "preflight", checks)
        checks += work.carry_out(working_steps(command))
    return Outcome(journal.story, context.folder, checks)


def _describe_accepted(checks: tuple[Check, ...]) -> str:
    names = [check.name for check in checks if check.accepted]
    return f" Accepted by you: {', '.join(names)}." if names else ""


def require_preflight(
    context: Context,
    case: Case,
    found: Found | None = None,
    *,
    dns: Dns = RELEASE,
    reasons: Mapping[str, str] = NOTHING,
    lease: Lease | None = None,
    steps: Steps | None = None,
    journal: NullJournal | None = None,
) -> tuple[Check, ...]:
    """All checks of these steps, by default of preflight; none of them blocks. `found` is the result of the survey
    before them. `journal` keeps the values that steps remember. The patience is short: nothing has begun yet. Raises
    CannotMigrate, or the error of the only problem."""
    run = context.run(case, journal or NullJournal(RunState().with_remembered(DNS.remember(dns))))
    run.lease = lease
    run.patience = FIRST_ANSWER_TIMEOUT
    errors: list[HcpDrError] = []
    before = [_check_folder(context)] if lease is None and steps is None else []
    if found is not None and found.contradiction is not None:
        error = found.contradiction
        before.append(Check("settings", "blocked", error.what, "the settings may be those of another one", error.next))
        errors.append(error)
    silent = found.silent if found is not None else {}
    for error in silent.values():
        add_advice(context, error)
    findings = run_checks(
        run, PREFLIGHT if steps is None else steps, reasons, silent=silent, before=before, errors=errors
    )
    if findings.error is not None:
        context.on_blocked(findings.checks)
        raise findings.error
    return findings.checks


def _check_folder(context: Context) -> Check:
    finished = context.story.command
    if finished is not None:
        seen = f"the backup folder {context.folder.folder} holds a finished {finished}"
        return Check("backup_dir", "blocked", seen, "a folder is for one relocation", "choose another BACKUP_DIR")
    try:
        context.folder.check_room()
    except ArchiveError as error:
        return Check("backup_dir", "blocked", error.what, "the backup could not be written", error.next)
    return Check("backup_dir", "ok", f"{context.folder.folder} can be written")


def journal_checks(journal: JournalWriter, step: str, checks: tuple[Check, ...]) -> None:
    journal.write("checked", step=step, checks=[asdict(check) for check in checks])
