"""The options shared by several commands, and the context of a command."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hcp_dr.cli.asking import Output, confirm, show
from hcp_dr.cli.calling import Call, as_called, set_call
from hcp_dr.cli.progress import ProgressPrinter
from hcp_dr.commands.context import Context
from hcp_dr.commands.environment import from_environment
from hcp_dr.engine.wait import StopRequested
from hcp_dr.model import Dns
from hcp_dr.report import checks as check_report
from hcp_dr.report import outcome

EnvFile = Annotated[Path | None, typer.Option("--env-file", help="A file with the documented variables.")]
Backup = Annotated[Path | None, typer.Option("--backup", help="The backup folder; default: BACKUP_DIR.")]
FromContext = Annotated[
    str | None, typer.Option("--context", help="The context of MGMT_KUBECONFIG, the source; default: MGMT_CONTEXT.")
]
ToContext = Annotated[
    str | None,
    typer.Option("--to-context", help="The context of MGMT2_KUBECONFIG, the destination; default: MGMT2_CONTEXT."),
]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="Format on stdout: text, json or yaml.")]
DnsOption = Annotated[
    Dns,
    typer.Option(
        "--dns",
        help="release: wait until the source's external-dns has removed its records. takeover: delete those records "
        "for it, when the source's external-dns is down. handover: hand the records over to the destination's "
        "external-dns, so the names are never absent.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask to confirm with the hosted cluster's name.")]
IgnoreCheck = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore-check",
        "--accept",  # the old name, also in scripts
        metavar="CHECK",
        help="Continue although this check blocks; requires a --reason; repeatable. --accept is the old name.",
    ),
]
Reason = Annotated[
    list[str] | None,
    typer.Option("--reason", metavar="TEXT", help="The reason for the --ignore-check at the same position."),
]
DocumentedKey = Annotated[
    bool, typer.Option("--documented-key", help="Also copy the snapshot to <cluster>-etcd-0-snapshot.db in the bucket.")
]


def context_of(
    env_file: Path | None,
    backup: Path | None = None,
    output: Output = "text",
    *,
    yes: bool = False,
    from_context: str | None = None,
    to_context: str | None = None,
) -> Context:
    """The context of a command on this terminal. Raises SettingsError."""
    contexts = contexts_of(from_context, to_context)
    context = replace(
        from_environment(env_file, backup, confirm=lambda request: confirm(request, yes=yes), contexts=contexts),
        on_progress=ProgressPrinter(),
        on_blocked=lambda checks: show(output, check_report.to_json(checks), check_report.to_text(checks)),
    )
    context.while_working = lambda: _stoppable(context)
    record_call(context, env_file, backup, contexts)
    return context


def record_call(context: Context, env_file: Path | None, backup: Path | None, contexts: Mapping[str, str]) -> None:
    """For the commands in later messages."""
    options = {"MGMT_CONTEXT": "--context", "MGMT2_CONTEXT": "--to-context"}
    set_call(
        Call(
            env_file,
            lambda: Path(context.chosen.folder) if context.chosen is not None else None,
            backup is not None,
            tuple(word for variable, name in contexts.items() for word in (options[variable], name)),
        )
    )


def contexts_of(from_context: str | None, to_context: str | None) -> dict[str, str]:
    """The contexts given as options, by variable."""
    chosen = {"MGMT_CONTEXT": from_context, "MGMT2_CONTEXT": to_context}
    return {variable: name for variable, name in chosen.items() if name}


@contextmanager
def _stoppable(context: Context) -> Iterator[None]:
    """The first SIGINT or SIGTERM in the body ends the work after the current action."""
    with _signals(context.stop) as received_signal:
        try:
            yield
        except StopRequested as stop:
            name = signal.Signals(received_signal()).name
            text = f"\nStopped by {name} after the current action; completed actions stay in effect."
            if stop.begun:
                moment = outcome.describe_moment(context.story)
                text = f"{text} {moment} Continue with:\n    {as_called('hcp-dr resume')}"
            print(text, file=sys.stderr)
            raise typer.Exit(128 + received_signal()) from None


@contextmanager
def _signals(stop: threading.Event) -> Iterator[Callable[[], int]]:
    received: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        if received:
            signal.signal(number, signal.SIG_DFL)
        received.append(number)
        stop.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: received[0] if received else signal.SIGTERM
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
