"""`hcp-dr preflight`: finds every problem in one run; changes nothing but one probe object in the bucket."""

from __future__ import annotations

from hcp_dr.cli.phases import examined
from hcp_dr.cli.session import EnvFile, OutputOption, end, nothing_begun, open_session, show
from hcp_dr.engine.examine import stopping
from hcp_dr.report import checks as report


def preflight(env_file: EnvFile = None, output: OutputOption = "text") -> None:
    """Find out whether the hosted cluster can be relocated."""
    with nothing_begun():
        session = open_session(env_file, new=True)
        checks = examined(session, session.discover())
        show(output, report.to_json(checks), report.to_text(checks))
        error = stopping(checks)
        if error is not None:
            raise error
    end(checks)
