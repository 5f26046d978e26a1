"""What is asked of whoever runs a command, and what is told."""

from __future__ import annotations

import json
import sys
from typing import Any, Literal

import typer
import yaml

from hcp_dr.commands.context import Confirmation, Outcome
from hcp_dr.commands.report import write_report
from hcp_dr.errors import DONE, ConfirmationMissing, SettingsError
from hcp_dr.report import outcome

Output = Literal["text", "json", "yaml"]


def reasons_of(accept: list[str] | None, reason: list[str] | None) -> dict[str, str]:
    """The reasons by the check that they are for. Raises SettingsError."""
    names, texts = accept or [], [text.strip() for text in reason or []]
    if len(names) != len(texts) or len(set(names)) != len(names) or not all(texts):
        raise SettingsError(
            what=f"--accept is given {len(names)} times and --reason {len(texts)} times, or one of them says nothing.",
            todo="Give each accepted check once, and a reason for each, in the same order.",
        )
    return dict(zip(names, texts, strict=True))


def confirm(asked: Confirmation, *, yes: bool) -> None:
    """Ask for the hosted cluster's name where something is taken away. Raises ConfirmationMissing."""
    for check in asked.checks:
        print(f"{check.verdict} {check.name}: {check.seen}. {check.todo}".rstrip(), file=sys.stderr)
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfirmationMissing(what=f"{asked.what} Nobody is there to confirm it.")
    question = f"{asked.what}\nType the hosted cluster's name ({asked.name}) to go on: "
    print(question, end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != asked.name:
        raise ConfirmationMissing(what="The name was not typed.")


def show(output: Output, value: dict[str, Any], text: str) -> None:
    """The result, on stdout."""
    match output:
        case "json":
            print(json.dumps(value))
        case "yaml":
            print(yaml.safe_dump(value, sort_keys=False), end="")
        case "text":
            print(text)


def show_outcome(result: Outcome, output: Output) -> None:
    """The result of a command that did its work, on stdout, and its report in the backup folder. Raises ArchiveError,
    typer.Exit where a check of its run is a warning."""
    try:
        value = outcome.to_json(result.story, backup_dir=result.backup_dir, result="done", checks=result.checks)
        show(output, value, outcome.to_text(value))
    finally:  # also where nobody reads the output any more
        write_report(result.folder, result.story)
    if result.exit_code != DONE:
        raise typer.Exit(result.exit_code)
