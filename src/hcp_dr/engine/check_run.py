"""Runs every step of preflight, whatever the result of the others, and collects all checks.

Some blocking checks can be accepted, by name and with a reason. The rest cannot: they protect the invariants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

from hcp_dr.engine.journal import JournalState, JournalWriter
from hcp_dr.engine.run import Run
from hcp_dr.engine.silent import Unanswered, peer_of, without
from hcp_dr.engine.step import Check, Step
from hcp_dr.errors import CannotMigrate, HcpDrError, SettingsError

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Findings:
    """`error` is that of a step or a peer that alone blocks, so that the exit code is specific, else CannotMigrate;
    None if no check blocks."""

    checks: tuple[Check, ...]
    error: HcpDrError | None


@dataclass(slots=True)
class _Survey:
    """All steps, as far as their peers answer."""

    run: Run
    silent: dict[str, HcpDrError]
    results: list[Check] = field(default_factory=list)
    errors: list[HcpDrError] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)  # steps, by the peer that they lack

    def __post_init__(self) -> None:
        self._leave_out(dict(self.silent))

    def _leave_out(self, peers: Mapping[str, HcpDrError]) -> None:
        """After the first silence no other peer is waited for: the checks do not pass anyway."""
        self.silent.update(peers)
        self.run.ports = without(self.run.ports, peers)
        if peers:
            self.run.patience = 0.0

    def look(self, step: Step[Any]) -> None:
        """If a peer does not answer, the parts of the step that need no such peer."""
        try:
            self.results += self.run.carry_out_one(step)
        except CannotMigrate:
            self.results += self.run.last_refusal.checks if self.run.last_refusal else ()
        except Unanswered as unanswered:
            self._look_without(unanswered.peer, step)
        except HcpDrError as error:
            error.begun = False
            peer = peer_of(error)
            if peer is not None:
                self._leave_out({peer: error})
                self._look_without(peer, step)
                return
            self.errors.append(error)
            self.results.append(Check(step.name, "unknown", error.what, "the check could not run", error.next))

    def _look_without(self, peer: str, step: Step[Any]) -> None:
        self.skipped.setdefault(peer, []).append(step.name)
        for part in step.parts:
            self.look(part)

    def describe_silent(self) -> list[Check]:
        """One check for each peer that does not answer, and for each cause."""
        causes: dict[int, list[str]] = {}
        for peer, error in self.silent.items():
            causes.setdefault(id(error), []).append(peer)
        checks = []
        for peers in causes.values():
            error = self.silent[peers[0]]
            steps = dict.fromkeys(step for peer in peers for step in self.skipped.get(peer, ()))
            why = f"unknown because of this, in whole or in part: {', '.join(steps)}" if steps else "no check needs it"
            checks.append(Check(f"answers.{peers[0]}", "unknown", error.what, why, error.next))
        return checks


def run_checks(
    run: Run,
    steps: Sequence[Step[Any]],
    reasons: Mapping[str, str] = NOTHING,
    *,
    silent: Mapping[str, HcpDrError] = MappingProxyType({}),
    before: Sequence[Check] = (),
    errors: Sequence[HcpDrError] = (),
) -> Findings:
    """All checks of all steps, after those made `before`, some of them from `errors`. A step without an observation is
    one unknown check; a peer that does not answer is one, too. `silent` are peers that are known not to answer.
    `reasons` maps the name of an accepted check to the reason.

    Raises SettingsError for a reason given to a check that cannot be accepted.
    """
    survey = _Survey(run, dict(silent))
    for step in steps:
        survey.look(step)
    causes = [*errors, *survey.errors, *{id(error): error for error in survey.silent.values()}.values()]
    found = (*survey.describe_silent(), *before, *survey.results)
    checks = accept_checks(found, reasons, complete=not causes)
    alone = len(causes) == 1 and sum(check.stops for check in checks) == 1
    return Findings(checks, causes[0] if alone else refusal_of(checks))


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


def journaled_checks(story: JournalState) -> tuple[Check, ...]:
    """The last checks of each step."""
    known = {each.name for each in fields(Check)}
    last = {(line.kind, line.step): line for line in story.of_kind("checked", "done")}
    found = (dict[str, Any](check) for line in last.values() for check in line.checks)
    return tuple(Check(**{name: value for name, value in check.items() if name in known}) for check in found)


def _describe(check: Check) -> str:
    return f"{check.verdict}: {check.seen}"


def refusal_of(checks: Sequence[Check]) -> CannotMigrate | None:
    """The error for the checks, or None if no check blocks."""
    names = [check.name for check in checks if check.stops]
    return CannotMigrate(checks=", ".join(names)) if names else None
