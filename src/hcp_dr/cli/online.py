"""An online backup: while the hosted cluster goes on, and as often as a schedule wants."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import asdict
from pathlib import Path

from hcp_dr.cli.asking import Output, show
from hcp_dr.cli.beginning import ONLY_OURS_CHANGED, nothing_begun
from hcp_dr.cli.phases import examined, show_outcome
from hcp_dr.cli.session import Session, open_session, stoppable
from hcp_dr.engine.examine import NOTHING, stopping
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.step import Check
from hcp_dr.model import Case
from hcp_dr.procedure import BACKUP_ONLINE, ONLINE_PREFLIGHT, online, working_steps
from hcp_dr.report import checks as check_report


def back_up(env_file: Path | None, backup: Path | None, output: Output) -> None:
    """Asks nobody, since nothing is taken away."""
    with nothing_begun():
        session = open_session(env_file, backup, online=True)
        session.must_be_new()
        case = session.discover()
        lease = session.lease(case)
        lease.look()
    with nothing_begun(ONLY_OURS_CHANGED):
        checks = _passed(session, case, output)
    with stoppable(session), ExitStack() as stack:
        with nothing_begun(ONLY_OURS_CHANGED):
            if not stack.enter_context(lease.held()):  # somebody was at work meanwhile
                checks = _passed(session, case, output, lease)
            session.folder.make()
        journal = stack.enter_context(closing(session.journal()))
        work = session.undertaking(case, journal, lease)
        work.begin("begin", command=BACKUP_ONLINE, case=case.to_json())
        journal.write("checked", step="preflight", checks=[asdict(check) for check in checks])
        found = (*checks, *work.carry_out(working_steps(BACKUP_ONLINE)))
    show_outcome(session, journal, found, output)


def _passed(session: Session, case: Case, output: Output, lease: Lease | None = None) -> tuple[Check, ...]:
    """Raises Unfinished, CannotMigrate."""
    online.must_be_alone(session.ports.bucket, case)
    checks = examined(session, case, "release", NOTHING, lease=lease, steps=ONLINE_PREFLIGHT)
    error = stopping(checks)
    if error is not None:
        show(output, check_report.to_json(checks), check_report.to_text(checks))
        raise error
    return checks
