"""`hcp-dr preflight`: finds every problem in one run; changes nothing but one probe object in the bucket."""

from __future__ import annotations

from hcp_dr.cli.asking import end, reasons_of, show
from hcp_dr.cli.beginning import ONLY_OURS_CHANGED, nothing_begun
from hcp_dr.cli.phases import examined
from hcp_dr.cli.session import Accept, DnsOption, EnvFile, OutputOption, Reason, open_session
from hcp_dr.engine.examine import stopping
from hcp_dr.report import checks as report


def preflight(
    env_file: EnvFile = None,
    output: OutputOption = "text",
    dns: DnsOption = "release",
    accept: Accept = None,
    reason: Reason = None,
) -> None:
    """Find out whether the hosted cluster can be relocated."""
    with nothing_begun():
        reasons = reasons_of(accept, reason)
        session = open_session(env_file, new=True)
        case = session.discover()
    with nothing_begun(ONLY_OURS_CHANGED):
        checks = examined(session, case, dns, reasons)
        show(output, report.to_json(checks), report.to_text(checks))
        error = stopping(checks)
        if error is not None:
            raise error
    end(checks)
