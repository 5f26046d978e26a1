"""A shell for containers that exist in memory only: as much of bash as the scripts of the stand-in and the commands of
the product and of its operators need, and a loud refusal of the rest."""

from hcp_dr_lab.tabletop.shell.play import Call, NotYet, Program, Result, Shell
from hcp_dr_lab.tabletop.shell.programs import PROGRAMS
from hcp_dr_lab.tabletop.shell.read import NotUnderstood

__all__ = ["PROGRAMS", "Call", "NotUnderstood", "NotYet", "Program", "Result", "Shell"]
