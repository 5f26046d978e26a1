"""How this command was called. A text with `hcp-dr VERB` in backquotes names a command to run: it is printed with the
program and the options of this call, so that it runs as printed."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hcp_dr.engine.journal import FILE_NAME
from hcp_dr.hiding import safe

PROGRAM = "hcp-dr"
IN_A_FOLDER = frozenset({"restore", "verify", "teardown", "finish", "resume", "abort", "status", "report", "plan"})
"""The verbs that continue, or show, the work in a backup folder."""
WITHOUT_CLUSTERS = frozenset({"report", "rbac"})
"""The verbs without options for contexts."""

_PLUGIN = re.compile(r"(kubectl|oc)-hcp_dr$")
_COMMAND = re.compile(rf"`({PROGRAM} [^`]+)`")


@dataclass(frozen=True, slots=True)
class Call:
    """The options of a call that its next commands need too. `folder` returns the backup folder, None if none is
    chosen; `named`: it was given with --backup."""

    env_file: Path | None = None
    folder: Callable[[], Path | None] = lambda: None
    named: bool = False
    contexts: tuple[str, ...] = ()  # options and their values

    def complete(self, command: str) -> str:
        """The command with the program and the options of this call, quoted for a shell."""
        try:
            _, verb, *words = shlex.split(command)
        except ValueError:
            return command
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        folder = self.folder() if verb in IN_A_FOLDER and not given & {"--backup", "--source-lost"} else None
        if folder is not None and (self.named or os.path.lexists(folder / FILE_NAME)):
            words += ["--backup", str(folder)]
        if self.env_file is not None and "--env-file" not in given:
            words += ["--env-file", str(self.env_file.absolute())]
        if verb not in WITHOUT_CLUSTERS:
            words += self.contexts
        return f"{_program()} {shlex.join((verb, *words))}"


_CALL: ContextVar[Call] = ContextVar("call", default=Call())  # noqa: B039 - immutable


def set_call(call: Call) -> None:
    _CALL.set(call)


def backup_folder() -> Path | None:
    """The backup folder of this call, None if none is chosen."""
    return _CALL.get().folder()


def as_called(command: str) -> str:
    """A command as it is run next."""
    return _CALL.get().complete(command)


def for_people(value: Any) -> Any:
    """A text, or every text in lists and mappings, without secrets and control characters, and with its commands as
    they are run next."""
    match value:
        case str():
            return _COMMAND.sub(lambda found: f"`{as_called(found[1])}`", str(safe(value)))
        case dict():
            return {safe(key): for_people(each) for key, each in value.items()}
        case list() | tuple():
            return [for_people(each) for each in value]
        case _:
            return value


def _program() -> str:
    """kubectl and oc replace themselves by the plugin; both run plugins of kubectl. A shell exports the program that it
    started as `_`."""
    plugin = _PLUGIN.match(Path(sys.argv[0]).name)
    if plugin is None:
        return PROGRAM
    started = Path(os.environ.get("_", "")).name
    return f"{started if started in ('kubectl', 'oc') else plugin[1]} {PROGRAM}"
