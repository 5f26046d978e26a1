"""The command line. Only this package prints or exits."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated

import typer

from hcp_dr import __version__
from hcp_dr.cli.abort import abort
from hcp_dr.cli.backup import backup
from hcp_dr.cli.calling import for_people
from hcp_dr.cli.finish import finish
from hcp_dr.cli.plan import plan
from hcp_dr.cli.preflight import preflight
from hcp_dr.cli.rbac import rbac
from hcp_dr.cli.relocate import relocate
from hcp_dr.cli.report import report
from hcp_dr.cli.restore import restore
from hcp_dr.cli.resume import resume
from hcp_dr.cli.status import status
from hcp_dr.cli.teardown import teardown
from hcp_dr.cli.unforeseen import run, run_guarded
from hcp_dr.cli.verify import verify
from hcp_dr.errors import HcpDrError

app = typer.Typer(
    name="hcp-dr",
    help="Relocate a hosted cluster from one management cluster to another while its workers keep running.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    preflight,
    plan,
    relocate,
    backup,
    restore,
    verify,
    teardown,
    finish,
    resume,
    abort,
    status,
    report,
    rbac,
):
    app.command()(command)


def _show_version(requested: bool) -> None:  # noqa: FBT001 - typer's signature
    if requested:
        print(f"hcp-dr {__version__}")
        raise typer.Exit


@app.callback()
def top(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options before the command."""


def main() -> None:
    """The entry point: an error is one paragraph on stderr and the exit code of its class; exit code 1 always means
    done with warnings."""
    sys.exit(run_guarded("hcp-dr", _run_command))


def _run_command() -> int:
    try:
        return run(app, "hcp-dr")
    except HcpDrError as error:
        with suppress(OSError):  # the exit code still reports the error
            print(for_people(f"hcp-dr: {error.paragraph()}"), file=sys.stderr)
        return error.exit_code
