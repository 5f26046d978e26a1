"""Before anything is touched: can this hosted cluster be relocated? Each module looks at one part of the world and says
what it found as checks; one run finds all problems."""

from __future__ import annotations

from collections.abc import Iterable

from hcp_dr.engine.step import Check, Decision, Done, Refuse
from hcp_dr.errors import CannotMigrate


def verdict(checks: Iterable[Check]) -> Decision:
    """Done when nothing stops, else the refusal that names what does."""
    checks = tuple(checks)
    stopping = [check.name for check in checks if check.stops]
    if stopping:
        return Refuse(CannotMigrate(checks=", ".join(stopping)), checks)
    return Done(f"{len(checks)} checks, none blocked", checks)
