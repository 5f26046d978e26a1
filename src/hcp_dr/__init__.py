"""Relocates a hosted OpenShift cluster (HyperShift) between management clusters while its workers keep running.

Each command is a function with a `Context`. It returns an outcome, or raises an error of `hcp_dr.errors`, or
`StopRequested` if the context's `stop` was set:

    from hcp_dr import from_environment, relocate
    outcome = relocate(from_environment(confirm=lambda confirmation: None))

See `docs/api.md`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hcp_dr.commands.abort import abort
    from hcp_dr.commands.backup import backup
    from hcp_dr.commands.backup_online import backup_online
    from hcp_dr.commands.context import Confirmation, Context, Outcome
    from hcp_dr.commands.environment import from_environment
    from hcp_dr.commands.finish import finish
    from hcp_dr.commands.plan import Plan, plan
    from hcp_dr.commands.preflight import preflight
    from hcp_dr.commands.relocate import relocate
    from hcp_dr.commands.report import read_report
    from hcp_dr.commands.restore import restore
    from hcp_dr.commands.restore_by_hand import restore_by_hand
    from hcp_dr.commands.restore_lost import restore_lost
    from hcp_dr.commands.resume import resume
    from hcp_dr.commands.status import status
    from hcp_dr.commands.teardown import teardown
    from hcp_dr.commands.verify import verify
    from hcp_dr.engine.wait import StopRequested
    from hcp_dr.errors import HcpDrError

__version__ = "0.1.0"
"""The version of the package, of `hcp-dr --version`, and in the manifest and journal of a backup folder."""

_HOMES = {
    "Confirmation": "commands.context",
    "Context": "commands.context",
    "HcpDrError": "errors",
    "Outcome": "commands.context",
    "Plan": "commands.plan",
    "StopRequested": "engine.wait",
    "abort": "commands.abort",
    "backup": "commands.backup",
    "backup_online": "commands.backup_online",
    "finish": "commands.finish",
    "from_environment": "commands.environment",
    "plan": "commands.plan",
    "preflight": "commands.preflight",
    "read_report": "commands.report",
    "relocate": "commands.relocate",
    "restore": "commands.restore",
    "restore_by_hand": "commands.restore_by_hand",
    "restore_lost": "commands.restore_lost",
    "resume": "commands.resume",
    "status": "commands.status",
    "teardown": "commands.teardown",
    "verify": "commands.verify",
}

__all__ = [
    "Confirmation",
    "Context",
    "HcpDrError",
    "Outcome",
    "Plan",
    "StopRequested",
    "abort",
    "backup",
    "backup_online",
    "finish",
    "from_environment",
    "plan",
    "preflight",
    "read_report",
    "relocate",
    "restore",
    "restore_by_hand",
    "restore_lost",
    "resume",
    "status",
    "teardown",
    "verify",
]


def __getattr__(name: str) -> object:
    """Import each name at its first use: a program that only handles errors needs no adapter."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
