"""`hcp-dr teardown`: removes the hosted cluster from the source, after the destination is verified."""

from __future__ import annotations

from hcp_dr.cli.asking import show_outcome
from hcp_dr.cli.options import Backup, EnvFile, FromContext, OutputOption, ToContext, Yes, context_of
from hcp_dr.commands import teardown as command


def teardown(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    *,
    yes: Yes = False,
    from_context: FromContext = None,
    to_context: ToContext = None,
) -> None:
    """Remove the hosted cluster from the source (8.6.4). Its instances keep running."""
    show_outcome(
        command.teardown(
            context_of(env_file, backup, output, yes=yes, from_context=from_context, to_context=to_context)
        ),
        output,
    )
