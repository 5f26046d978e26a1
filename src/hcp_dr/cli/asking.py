"""What is asked of whoever runs a command, and what is told."""

from __future__ import annotations

import getpass
import json
import platform
import sys
from collections.abc import Sequence
from typing import Any, Literal

import typer
import yaml

from hcp_dr.engine.step import Check
from hcp_dr.errors import DONE_WITH_WARNINGS, ConfirmationMissing, SettingsError
from hcp_dr.model import Ports

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


def who(ports: Ports) -> str:
    """Who runs this, for the journal: the user of this machine, and as whom AWS knows the credentials."""
    return f"{getpass.getuser()}@{platform.node()}, {ports.identity.arn()}"


def confirm(name: str, *, what: str, yes: bool) -> None:
    """Ask for the hosted cluster's name where something is taken away. Raises ConfirmationMissing."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfirmationMissing(what=f"{what} Nobody is there to confirm it.")
    print(f"{what}\nType the hosted cluster's name ({name}) to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != name:
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


def end(checks: Sequence[Check]) -> None:
    """The last word of a command that went well. Raises typer.Exit where a check of its run is a warning."""
    if any(check.verdict == "warning" for check in checks):
        raise typer.Exit(DONE_WITH_WARNINGS)
