"""`hcp-dr preflight`: finds every problem in one run; changes nothing but one probe object in the bucket."""

from __future__ import annotations

from hcp_dr.cli.session import EnvFile, OutputOption, open_session, show
from hcp_dr.engine.examine import examine, stopping
from hcp_dr.engine.run import Scribe
from hcp_dr.procedure import PREFLIGHT
from hcp_dr.report import checks as report


def preflight(env_file: EnvFile = None, output: OutputOption = "text") -> None:
    """Find out whether the hosted cluster can be relocated."""
    session = open_session(env_file, new=True)
    case = session.discover()
    checks = examine(session.run(case, Scribe()), PREFLIGHT)
    show(output, report.to_json(checks), report.to_text(checks))
    error = stopping(checks)
    if error is not None:
        raise error
