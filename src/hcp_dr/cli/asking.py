"""The dialog with the engineer who runs a command: options with reasons, confirmation, output."""

from __future__ import annotations

import json
import sys
from typing import Any, Literal

import typer
import yaml

from hcp_dr.cli.calling import for_people
from hcp_dr.commands.context import Confirmation, Outcome
from hcp_dr.commands.report import write_report
from hcp_dr.errors import DONE, ConfirmationMissing, SettingsError
from hcp_dr.report import outcome

Output = Literal["text", "json", "yaml"]


def reasons_by_check(ignore_check: list[str] | None, reason: list[str] | None) -> dict[str, str]:
    """The reasons of --reason by the checks of --ignore-check. Raises SettingsError."""
    names, texts = ignore_check or [], [text.strip() for text in reason or []]
    if len(names) != len(texts) or len(set(names)) != len(names) or not all(texts):
        raise SettingsError(
            what="Each --ignore-check needs its own check and a --reason with a text: --ignore-check is given "
            f"{len(names)} times and --reason {len(texts)} times.",
            todo="Name each check once, with one reason for each, in the same order, and run the command again.",
        )
    return dict(zip(names, texts, strict=True))


def confirm(request: Confirmation, *, yes: bool) -> None:
    """Ask for the hosted cluster's name before the command removes something. Raises ConfirmationMissing."""
    for check in request.checks:
        print(for_people(f"{check.verdict} {check.name}: {check.seen}. {check.todo}".rstrip()), file=sys.stderr)
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfirmationMissing(what=f"{request.what} Confirmation is required, but stdin is not a terminal.")
    question = f"{request.what}\nType the hosted cluster's name ({request.name}) to continue: "
    print(for_people(question), end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != request.name:
        raise ConfirmationMissing(what="The typed name is not the name of the hosted cluster.")


def show(output: Output, value: dict[str, Any], text: str) -> None:
    """Print the result on stdout, without secrets and control characters."""
    value, text = for_people(value), for_people(text)
    match output:
        case "json":
            print(json.dumps(value))
        case "yaml":
            print(yaml.safe_dump(value, sort_keys=False), end="")
        case "text":
            print(text)


def show_outcome(result: Outcome, output: Output) -> None:
    """Print the result of a finished command on stdout, and write its report into the backup folder. Raises
    ArchiveError, and typer.Exit if a check of the run is a warning."""
    try:
        value = outcome.to_json(result.story, backup_dir=result.backup_dir, result="done", checks=result.checks)
        value["command"] = result.command or value["command"]
        show(output, value, outcome.to_text(value))
    finally:  # also if the reader of the output closed the pipe
        write_report(result.folder, result.story)
    if result.exit_code != DONE:
        raise typer.Exit(result.exit_code)
