"""`hcp-dr-lab stop`, `start`: stop or start a part of the region, or a group of parts."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from hcp_dr_lab.cli.form import Form, Name, Output
from hcp_dr_lab.region import lifecycle
from hcp_dr_lab.region.control import Control, StateChange

Part = Annotated[
    str,
    typer.Argument(metavar="PART", help="A part named by `status`, or a group, such as mgmt-1 for the whole cluster."),
]


def stop(part: Part, name: Name = "default", output: Output = Form.TEXT) -> None:
    """Stop a part of the region until it is started again."""
    show(Control(lifecycle.standing(name)).stop(part), "stopped", output)


def start(part: Part, name: Name = "default", output: Output = Form.TEXT) -> None:
    """Start a part of the region again, and wait until it serves."""
    show(Control(lifecycle.standing(name)).start(part), "started", output)


def show(change: StateChange, verb: str, output: Form) -> None:
    if output is Form.JSON:
        print(json.dumps({verb: list(change.done), "already": list(change.already)} | _failed(change)))
        return
    for part in change.done:
        print(f"{part}: {verb}")
    for part in change.already:
        print(f"{part}: nothing to do")


def _failed(change: StateChange) -> dict[str, object]:
    return {"failed": asdict(change)["failed"]} if change.failed else {}
