"""What the commands share: which region, and the form of a result."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr_lab.cli.drill import Form

Name = Annotated[str, typer.Option("--name", help="Which region; several can stand side by side.")]
Output = Annotated[Form, typer.Option("--output", "-o", help="What goes to stdout.")]

__all__ = ["Form", "Name", "Output"]
