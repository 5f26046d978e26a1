"""The command `hcp-dr-lab`: the rehearsal ground, by hand."""

from hcp_dr_lab.cli.main import main

__all__ = ["main"]
