"""The commands. Only here is printed and exited."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated

import typer

from hcp_dr import __version__
from hcp_dr.cli.abort import abort
from hcp_dr.cli.backup import backup
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
from hcp_dr.cli.unforeseen import caught, resuming, run
from hcp_dr.cli.verify import verify
from hcp_dr.errors import HcpDrError

app = typer.Typer(
    name="hcp-dr",
    help="Carry a hosted cluster from one management cluster to another while its workers keep running.",
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


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - as typer calls it
    if wanted:
        print(f"hcp-dr {__version__}")
        raise typer.Exit


@app.callback()
def top(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Before every command."""


def main() -> None:
    """The entry point: an error is one paragraph on stderr and its class's exit code, and nothing else ends with 1 than
    what is done."""
    sys.exit(caught("hcp-dr", _ended))


def _ended() -> int:
    try:
        return run(app, "hcp-dr")
    except HcpDrError as error:
        with suppress(OSError):  # the code tells it still
            print(f"hcp-dr: {error.paragraph(resuming())}", file=sys.stderr)
        return error.exit_code
