"""`hcp-dr abort`: aborts the relocation and restores the service of the source."""

from __future__ import annotations

from hcp_dr.cli.asking import show_outcome
from hcp_dr.cli.options import Backup, EnvFile, FromContext, OutputOption, ToContext, Yes, context_of
from hcp_dr.commands import abort as command


def abort(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    *,
    yes: Yes = False,
    from_context: FromContext = None,
    to_context: ToContext = None,
) -> None:
    """Undo the relocation, up to the point of no return."""
    show_outcome(
        command.abort(context_of(env_file, backup, output, yes=yes, from_context=from_context, to_context=to_context)),
        output,
    )
