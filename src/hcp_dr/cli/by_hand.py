"""`hcp-dr restore` of a folder that was made with the documented commands: judged whole before anything is written."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from hcp_dr.cli.session import Output, Session, carry_out, confirm, nothing_begun, open_session, show
from hcp_dr.config import Settings
from hcp_dr.engine import journal as journals
from hcp_dr.engine.examine import examine, stopping
from hcp_dr.engine.run import FIRST_LIMIT, Scribe
from hcp_dr.engine.step import Check
from hcp_dr.folder import BackupFolder
from hcp_dr.model import Case
from hcp_dr.procedure import PHASES, PREFLIGHT_BY_HAND, RESTORE_BY_HAND
from hcp_dr.procedure.hand_made import is_made_by_hand
from hcp_dr.procedure.hand_snapshot import WHOLE
from hcp_dr.report import checks as check_report
from hcp_dr.report import outcome

COMMAND = next(name for name, steps in PHASES.items() if steps is RESTORE_BY_HAND)


def is_by_hand(folder: BackupFolder, settings: Settings) -> bool:
    """No journal, no manifest, but objects."""
    return journals.read(folder.path) is None and is_made_by_hand(folder, settings.hc_cluster_ns)


def start(env_file: Path | None, backup: Path | None, output: Output, *, yes: bool) -> None:
    with nothing_begun():
        session = open_session(env_file, backup)
        case = session.discover()
        scribe = Scribe()
        checks = judged(session, case, scribe)
        error = stopping(checks)
        if error is not None:
            show(output, check_report.to_json(checks), check_report.to_text(checks))
            raise error
        doubt = next((check for check in checks if check.name == WHOLE and check.verdict == "warning"), None)
        if doubt is not None:
            what = (
                f"It is not proven that the snapshot holds all that was written: {doubt.seen}. "
                f"{doubt.why.capitalize()}; {doubt.todo}."
            )
            confirm(case.name, what=what, yes=yes)
    session.folder.make()
    with closing(session.journal()) as journal:
        journal.write("begin", command=COMMAND, case=case.to_json())
        for key, value in scribe.memory.values.items():
            journal.write("remember", key=key, value=value)
        found = (*checks, *carry_out(session, case, journal, RESTORE_BY_HAND))
    value = outcome.to_json(journal.story, backup_dir=session.folder.folder, result="done", checks=found)
    show(output, value, outcome.to_text(value))


def judged(session: Session, case: Case, scribe: Scribe) -> tuple[Check, ...]:
    run = session.run(case, scribe)
    run.patience = FIRST_LIMIT
    return examine(run, PREFLIGHT_BY_HAND)
