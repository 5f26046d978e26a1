"""The command `hcp-dr-lab`: starts, inspects and stops rehearsal regions by hand."""

from hcp_dr_lab.cli.main import main

__all__ = ["main"]
