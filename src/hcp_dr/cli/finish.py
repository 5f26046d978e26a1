"""`hcp-dr finish`: the last steps after the hosted cluster has moved."""

from __future__ import annotations

from hcp_dr.cli.asking import show_outcome
from hcp_dr.cli.options import Backup, EnvFile, FromContext, OutputOption, ToContext, context_of
from hcp_dr.commands import finish as command


def finish(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    *,
    from_context: FromContext = None,
    to_context: ToContext = None,
) -> None:
    """Restart the network pods and restore the instances' termination protection."""
    show_outcome(
        command.finish(context_of(env_file, backup, output, from_context=from_context, to_context=to_context)), output
    )
