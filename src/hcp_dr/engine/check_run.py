"""Runs every step of preflight, whatever the result of the others, and collects all checks.

Some blocking checks can be accepted, by name and with a reason. The rest cannot: they protect the invariants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hcp_dr.engine.journal import JournalState, JournalWriter
from hcp_dr.engine.run import Run
from hcp_dr.engine.step import Check, Step
from hcp_dr.errors import CannotMigrate, HcpDrError, SettingsError

NOTHING: Mapping[str, str] = MappingProxyType({})


def run_checks(run: Run, steps: Sequence[Step[Any]], reasons: Mapping[str, str] = NOTHING) -> tuple[Check, ...]:
    """All checks of all steps. A step without an observation is one unknown check. `reasons` maps the name of an
    accepted check to the reason.

    Raises the step's own error if it is the only blocker, so that the exit code is specific; SettingsError for a reason
    given to a check that cannot be accepted.
    """
    results: list[Check] = []
    errors: list[HcpDrError] = []
    for step in steps:
        try:
            results += run.carry_out_one(step)
        except CannotMigrate:
            results += run.last_refusal.checks if run.last_refusal else ()
        except HcpDrError as error:
            errors.append(error)
            results.append(Check(step.name, "unknown", error.what, "the check could not run", error.next))
    checks = accept_checks(results, reasons, complete=not errors)
    if len(errors) == 1 and sum(check.stops for check in checks) == 1:
        raise errors[0]
    return checks


def accept_checks(checks: Iterable[Check], reasons: Mapping[str, str], *, complete: bool = True) -> tuple[Check, ...]:
    """The checks; a blocking check with a reason is marked as accepted. Other checks need no reason. `complete`: no
    check is missing. Raises SettingsError."""
    checks = tuple(checks)
    refused = {check.name for check in checks if check.stops and not check.acceptable} & set(reasons)
    if complete:
        refused |= set(reasons) - {check.name for check in checks}
    if refused:
        names = sorted(check.name for check in checks if check.stops and check.acceptable)
        raise SettingsError(
            what=f"--ignore-check {', '.join(sorted(refused))}: no overridable check has that name.",
            todo=f"Overridable here: {', '.join(names)}." if names else "No check of this run can be accepted.",
        )
    return tuple(
        replace(check, accepted=reasons[check.name]) if check.stops and check.name in reasons else check
        for check in checks
    )


def record_accepted(journal: JournalWriter, checks: Iterable[Check], who: str) -> None:
    """Write a line for each accepted check: a later reader sees the finding and the person who accepted it."""
    for check in checks:
        if check.accepted:
            journal.write("accepted", check=check.name, seen=_describe(check), reason=check.accepted, who=who)


def was_accepted(story: JournalState, check: Check) -> bool:
    """Whether the journal has an acceptance of exactly this finding."""
    mine = {"line": "accepted", "check": check.name, "seen": _describe(check)}
    return any(mine.items() <= {key: line.get(key) for key in mine}.items() for line in story.lines)


def _describe(check: Check) -> str:
    return f"{check.verdict}: {check.seen}"


def refusal_of(checks: Sequence[Check]) -> CannotMigrate | None:
    """The error for the checks, or None if no check blocks."""
    names = [check.name for check in checks if check.stops]
    return CannotMigrate(checks=", ".join(names)) if names else None
