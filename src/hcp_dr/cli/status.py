"""`hcp-dr status`: shows the state of the relocation, on any machine."""

from __future__ import annotations

from hcp_dr.cli.asking import show
from hcp_dr.cli.calling import as_called
from hcp_dr.cli.options import Backup, EnvFile, FromContext, OutputOption, ToContext, contexts_of, record_call
from hcp_dr.commands import status as command
from hcp_dr.commands.environment import from_environment
from hcp_dr.report import status as report


def status(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    *,
    from_context: FromContext = None,
    to_context: ToContext = None,
) -> None:
    """Print the state of the relocation, the holder of the Leases, and what to do next. Reads only."""
    contexts = contexts_of(from_context, to_context)
    context = from_environment(env_file, backup, contexts=contexts)
    record_call(context, env_file, backup, contexts)
    result = command.status(context)
    value = report.to_json(result)
    if (command_line := value["next_command"]) is not None:
        value |= {key: as_called(command_line) for key in ("next_command", "todo") if value[key] == command_line}
    show(output, value, report.to_text(value, result.now))
