"""`hcp-dr resume`: goes on where the journal ends, in whatever command that was."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr.cli.phases import resume_last
from hcp_dr.cli.session import Backup, EnvFile, OutputOption, open_session
from hcp_dr.cli.source_lost import resume_lost
from hcp_dr.model import Dns
from hcp_dr.procedure import RESTORE_LOST


def resume(
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    dns: Annotated[
        Dns | None, typer.Option("--dns", help="release, takeover or handover, where it is to be another now.")
    ] = None,
    *,
    no_pull_images: Annotated[
        bool, typer.Option("--no-pull-images", help="Where images cannot be pulled ahead: go on without.")
    ] = False,
) -> None:
    """Go on with what was stopped, from its journal."""
    session = open_session(env_file, backup, new=True)
    command = None
    while command is None or command != session.told().command:  # else another machine went on with another one
        case = session.unfinished_case()
        command = session.told().command
        if command == RESTORE_LOST:
            resume_lost(session, case, output)
        else:
            resume_last(session, case, output, dns=dns, pull_images=not no_pull_images)
