"""The beginning of a relocation: first all of preflight, before any write; then, with both Leases held, the journal and
the steps of the command."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, replace

from hcp_dr.commands.context import Confirmation, Context, Outcome
from hcp_dr.commands.discover import discover_relocation
from hcp_dr.commands.journaled_case import check_no_unfinished_run
from hcp_dr.commands.left_as_was import ONLY_OURS_CHANGED, nothing_begun
from hcp_dr.engine.check_run import NOTHING, record_accepted, refusal_of, run_checks
from hcp_dr.engine.journal import JournalWriter, RunState, keep
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.progress import NullJournal
from hcp_dr.engine.step import Check
from hcp_dr.engine.wait import FIRST_ANSWER_TIMEOUT
from hcp_dr.hypershift.state import DNS
from hcp_dr.model import RELEASE, Case, Dns
from hcp_dr.procedure import PREFLIGHT, WATCHES, Steps, working_steps


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
        case = replace(discover_relocation(context), documented_key=documented_key)
        lease = context.lease(case)
        lease.record_versions()
    with nothing_begun(ONLY_OURS_CHANGED):
        checks = require_preflight(context, case, dns=dns, reasons=reasons)
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
    *,
    dns: Dns = RELEASE,
    reasons: Mapping[str, str] = NOTHING,
    lease: Lease | None = None,
    steps: Steps | None = None,
    journal: NullJournal | None = None,
) -> tuple[Check, ...]:
    """All checks of these steps, by default of preflight; none of them blocks. `journal` keeps the values that steps
    remember. The patience is short: nothing has begun yet. Raises CannotMigrate."""
    run = context.run(case, journal or NullJournal(RunState().with_remembered(DNS.remember(dns))))
    run.lease = lease
    run.patience = FIRST_ANSWER_TIMEOUT
    checks = run_checks(run, PREFLIGHT if steps is None else steps, reasons)
    error = refusal_of(checks)
    if error is not None:
        context.on_blocked(checks)
        raise error
    return checks


def journal_checks(journal: JournalWriter, step: str, checks: tuple[Check, ...]) -> None:
    journal.write("checked", step=step, checks=[asdict(check) for check in checks])
