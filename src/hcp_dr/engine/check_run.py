"""Runs every step of preflight, whatever the others find, and gathers all their checks.

Some of what stops may be accepted, by name and with a reason. Nothing else may: those checks stand for the invariants.
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
    """All checks of all steps. A step that cannot look is one unknown check. `reasons` are those for which a check is
    accepted, by its name.

    Raises the error of the only thing that stops, where it is one that has a class of its own, so that its exit code
    says what it is; SettingsError where a reason is given for what nobody may accept.
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
    checks = accepting(found, reasons, whole=not errors)
    if len(errors) == 1 and sum(check.stops for check in checks) == 1:
        raise errors[0]
    return checks


def accepting(checks: Iterable[Check], reasons: Mapping[str, str], *, whole: bool = True) -> tuple[Check, ...]:
    """The checks, those that stop and have a reason as accepted. A check that does not stop needs none. `whole` says
    that no check is missing. Raises SettingsError."""
    checks = tuple(checks)
    refused = {check.name for check in checks if check.stops and not check.acceptable} & set(reasons)
    if whole:
        refused |= set(reasons) - {check.name for check in checks}
    if refused:
        names = sorted(check.name for check in checks if check.stops and check.acceptable)
        raise SettingsError(
            what=f"--ignore-check {', '.join(sorted(refused))}: no overridable check has that name.",
            todo=f"Acceptable here: {', '.join(names)}." if names else "Nothing that this run found may be accepted.",
        )
    return tuple(
        replace(check, accepted=reasons[check.name]) if check.stops and check.name in reasons else check
        for check in checks
    )


def journal_accepted(journal: JournalWriter, checks: Iterable[Check], who: str) -> None:
    """One line for each accepted check: a later reader sees who knew what."""
    for check in checks:
        if check.accepted:
            journal.write("accepted", check=check.name, seen=_describe(check), reason=check.accepted, who=who)


def was_accepted(story: JournalState, check: Check) -> bool:
    """Whether exactly what the check sees now was accepted, and journaled so."""
    mine = {"line": "accepted", "check": check.name, "seen": _describe(check)}
    return any(mine.items() <= {key: line.get(key) for key in mine}.items() for line in story.lines)


def _describe(check: Check) -> str:
    return f"{check.verdict}: {check.seen}"


def refusal_of(checks: Sequence[Check]) -> CannotMigrate | None:
    """The error that the checks amount to; None where nothing stops."""
    names = [check.name for check in checks if check.stops]
    return CannotMigrate(checks=", ".join(names)) if names else None
