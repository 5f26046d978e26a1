"""`hcp-dr restore` of a folder that was made with the documented commands: judged whole before anything is written."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path

from hcp_dr.cli.asking import Output, confirm, show
from hcp_dr.cli.beginning import ONLY_OURS_CHANGED, nothing_begun
from hcp_dr.cli.phases import show_outcome
from hcp_dr.cli.session import Session, open_session, stoppable
from hcp_dr.config import Settings
from hcp_dr.engine import journal as journals
from hcp_dr.engine.examine import examine, stopping
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.step import Check
from hcp_dr.engine.telling import Scribe
from hcp_dr.engine.wait import FIRST_LIMIT
from hcp_dr.folder import BackupFolder
from hcp_dr.hypershift.manual_backup.folder import is_made_by_hand
from hcp_dr.hypershift.manual_backup.snapshot import SNAPSHOT_WHOLE
from hcp_dr.model import Case
from hcp_dr.procedure import PHASES, PREFLIGHT_BY_HAND, RESTORE_BY_HAND, WATCHES
from hcp_dr.report import checks as check_report

COMMAND = next(name for name, steps in PHASES.items() if steps is RESTORE_BY_HAND)


def is_by_hand(folder: BackupFolder, settings: Settings) -> bool:
    """No journal, no manifest, but objects."""
    return journals.read(folder.path) is None and is_made_by_hand(folder, settings.hc_cluster_ns)


def start(env_file: Path | None, backup: Path | None, output: Output, *, yes: bool) -> None:
    with nothing_begun():
        session = open_session(env_file, backup)
        session.must_be_usable(by_hand=True)
        case = session.discover()
        lease = session.lease(case)
        lease.look()
        scribe, checks = judged(session, case, output)
        _confirm(case, checks, yes=yes)
    with stoppable(session), ExitStack() as stack:
        with nothing_begun(ONLY_OURS_CHANGED):
            if not stack.enter_context(lease.held()):  # somebody was at work meanwhile
                scribe, checks = judged(session, case, output, lease=lease)
                _confirm(case, checks, yes=yes)
            session.folder.make(by_hand=True)
        journal = stack.enter_context(closing(session.journal()))
        work = session.undertaking(case, journal, lease, WATCHES)
        work.begin("begin", command=COMMAND, case=case.to_json())
        for key, value in scribe.memory.values.items():
            journal.write("remember", key=key, value=value)
        journal.write("checked", step="preflight", checks=[asdict(check) for check in checks])
        found = (*checks, *work.carry_out(RESTORE_BY_HAND))
    show_outcome(session, journal, found, output)


def judged(
    session: Session, case: Case, output: Output, *, lease: Lease | None = None
) -> tuple[Scribe, tuple[Check, ...]]:
    """What was found out, and all checks, none of which stops. Raises CannotMigrate."""
    scribe = Scribe()
    run = session.run(case, scribe)
    run.lease = lease
    run.patience = FIRST_LIMIT
    checks = examine(run, PREFLIGHT_BY_HAND)
    error = stopping(checks)
    if error is not None:
        show(output, check_report.to_json(checks), check_report.to_text(checks))
        raise error
    return scribe, checks


def _confirm(case: Case, checks: tuple[Check, ...], *, yes: bool) -> None:
    """Raises ConfirmationMissing."""
    doubt = next((check for check in checks if check.name == SNAPSHOT_WHOLE and check.verdict == "warning"), None)
    if doubt is not None:
        what = (
            f"It is not proven that the snapshot holds all that was written: {doubt.seen}. "
            f"{doubt.why.capitalize()}; {doubt.todo}."
        )
        confirm(case.name, what=what, yes=yes)
