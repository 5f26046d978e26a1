"""`hcp-dr verify`: verifies the destination, read-only, and records the results in the journal."""

from __future__ import annotations

from hcp_dr.cli.asking import show_outcome
from hcp_dr.cli.options import Backup, EnvFile, FromContext, OutputOption, ToContext, context_of
from hcp_dr.commands import verify as command


def verify(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    *,
    from_context: FromContext = None,
    to_context: ToContext = None,
) -> None:
    """Verify that the destination serves this hosted cluster."""
    show_outcome(
        command.verify(context_of(env_file, backup, output, from_context=from_context, to_context=to_context)), output
    )
