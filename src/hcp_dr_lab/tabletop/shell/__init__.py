"""A shell for containers in memory: the features of bash that the scripts of the stand-in and the commands of the
product and its operators need; other features raise an error."""

from hcp_dr_lab.tabletop.shell.play import Call, NotYet, Program, Result, Shell
from hcp_dr_lab.tabletop.shell.programs import PROGRAMS
from hcp_dr_lab.tabletop.shell.read import NotUnderstood

__all__ = ["PROGRAMS", "Call", "NotUnderstood", "NotYet", "Program", "Result", "Shell"]
