"""Runs every step of preflight, whatever the others find, and gathers all their checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hcp_dr.engine.run import Run
from hcp_dr.engine.step import Check, Step
from hcp_dr.errors import CannotMigrate, HcpDrError


def examine(run: Run, steps: Sequence[Step[Any]]) -> tuple[Check, ...]:
    """All checks of all steps. A step that cannot look is one unknown check.

    Raises the error of the only thing that stops, where it is one that has a class of its own, so that its exit code
    says what it is.
    """
    found: list[Check] = []
    errors: list[HcpDrError] = []
    for step in steps:
        try:
            found += run.carry_out_one(step)
        except CannotMigrate:
            found += run.last_refusal.checks if run.last_refusal else ()
        except HcpDrError as error:
            errors.append(error)
            found.append(Check(step.name, "unknown", error.what, "it could not be looked at", error.next))
    if len(errors) == 1 and sum(check.stops for check in found) == 1:
        raise errors[0]
    return tuple(found)


def stopping(checks: Sequence[Check]) -> CannotMigrate | None:
    """The error that the checks amount to; None where nothing stops."""
    names = [check.name for check in checks if check.stops]
    return CannotMigrate(checks=", ".join(names)) if names else None
