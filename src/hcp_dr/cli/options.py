"""The options that several commands take, and the context that they make."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hcp_dr.cli.asking import Output, confirm, show
from hcp_dr.cli.progress import ProgressPrinter
from hcp_dr.cli.unforeseen import resuming, working_in
from hcp_dr.commands.context import Context
from hcp_dr.commands.environment import from_environment
from hcp_dr.engine.wait import StopRequested
from hcp_dr.model import Dns
from hcp_dr.report import checks as check_report

EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file with the documented variables.")]
Backup = Annotated[Path | None, typer.Option("--backup", help="The backup folder; else BACKUP_DIR.")]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="text, json or yaml, on stdout.")]
DnsOption = Annotated[
    Dns,
    typer.Option(
        "--dns",
        help="release: wait until the source's external-dns has removed its records. takeover: delete exactly those, "
        "where it is dead. handover: give them to the destination's external-dns, so that the names are never absent.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for the hosted cluster's name.")]
Accept = Annotated[
    list[str] | None,
    typer.Option("--accept", metavar="CHECK", help="Go on although this check stops, with a --reason; repeatable."),
]
Reason = Annotated[
    list[str] | None, typer.Option("--reason", metavar="TEXT", help="Why, for the --accept in the same place.")
]
DocumentedKey = Annotated[
    bool, typer.Option("--documented-key", help="Also put the snapshot under <cluster>-etcd-0-snapshot.db.")
]


def context_of(
    env_file: Path | None, backup: Path | None = None, output: Output = "text", *, yes: bool = False
) -> Context:
    """The context of one command of this terminal. Raises SettingsError."""
    context = replace(
        from_environment(env_file, backup, confirm=lambda asked: confirm(asked, yes=yes)),
        on_progress=ProgressPrinter(),
        on_blocked=lambda checks: show(output, check_report.to_json(checks), check_report.to_text(checks)),
    )
    context.while_working = lambda: _stoppable(context)
    working_in(lambda: Path(context.chosen.folder) if context.chosen is not None else None, env_file)
    return context


@contextmanager
def _stoppable(context: Context) -> Iterator[None]:
    """Inside, the first SIGINT or SIGTERM ends the work after the current action."""
    with _signals(context.stop) as signalled:
        try:
            yield
        except StopRequested:
            name = signal.Signals(signalled()).name
            begun = context.story.command is not None
            told = f" Go on with:\n    {resuming()}" if begun else ""
            print(
                f"\nStopped by {name} after the current action; what was done so far stays as it is.{told}",
                file=sys.stderr,
            )
            raise typer.Exit(128 + signalled()) from None


@contextmanager
def _signals(stop: threading.Event) -> Iterator[Callable[[], int]]:
    received: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        if received:
            signal.signal(number, signal.SIG_DFL)
        received.append(number)
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: received[0] if received else signal.SIGTERM
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
