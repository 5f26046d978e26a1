"""Options shared by the commands: the region's name, and the form of the result."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr_lab.cli.drill import Form

Name = Annotated[str, typer.Option("--name", help="The region; several can run side by side.")]
Output = Annotated[Form, typer.Option("--output", "-o", help="What goes to stdout.")]

__all__ = ["Form", "Name", "Output"]
