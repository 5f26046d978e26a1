"""The loop that carries steps out: observe, plan, journal the intent, perform the batch, journal the outcome, observe.

Retry lives here and nowhere else: after a passing error, a lost answer or an object changed by another client the loop
observes and plans again, for a bounded time. A stop is requested by an event and happens between two batches.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from hcp_dr.engine.discovery_cache import cached
from hcp_dr.engine.journal import JournalWriter, keep
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.mirror import Mirror
from hcp_dr.engine.perform import perform, repeated_action_error
from hcp_dr.engine.progress import Progress
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import (
    Action,
    Check,
    Do,
    Done,
    Gate,
    Invalidate,
    Refuse,
    Step,
    Wait,
    Watch,
    describe_all,
    fingerprint,
)
from hcp_dr.engine.untouched import still_true
from hcp_dr.engine.wait import FIRST_ANSWER_TIMEOUT, OBSERVE_INTERVAL, Clock, StopRequested, mark_of
from hcp_dr.engine.waiting import Waiting, read_sign
from hcp_dr.engine.watch_schedule import PATIENCE, WatchSchedule
from hcp_dr.engine.workers import Answer, Workers
from hcp_dr.errors import AlreadyExists, AwsConflict, Conflict, HcpDrError, NotFound, Refused, ServerBusy, TimedOut
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import MANIFEST, sha256_of

PASSING_LIMIT = 300.0
"""Seconds for which a cluster or AWS may fail in a passing way before the step fails."""
STALE_LIMIT = 10
"""How often in a row a batch may meet objects that changed since the observation."""
STALE = (Conflict, AlreadyExists, NotFound, AwsConflict)
"""Errors that mean that the world no longer matches the observation."""
HANDS = 8


class _StartOver(Exception):
    """Steps that were done must run again."""

    def __init__(self, forgotten: Invalidate) -> None:
        super().__init__()
        self.forgotten = forgotten


@dataclass(slots=True)
class _Pass:
    """The progress of one step, or of one alarm of a watch, in this run."""

    patience: float
    watched: bool = True  # whether the run evaluates its watches during this step

    succeeded: Counter[str] = field(default_factory=Counter)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    passing_since: float | None = None
    stale: int = 0
    checks: tuple[Check, ...] = ()  # of a gate that was open


@dataclass(slots=True)
class Run:
    """Carries steps out in order. A run that writes has a lease, and stops when the lease is lost; its journal has a
    mirror."""

    ports: Ports
    case: Case
    journal: JournalWriter
    clock: Clock
    tell: Callable[[Progress], None]
    stop: threading.Event = field(default_factory=threading.Event)
    patience: float = PASSING_LIMIT
    hands: int = HANDS  # how many independent actions run at a time
    answered: bool = False  # whether any observation has succeeded in this run
    last_refusal: Refuse | None = None  # with the checks behind it
    lease: Lease | None = None
    mirror: Mirror | None = None
    watches: Sequence[Watch[Any]] = ()
    watch_schedules: dict[str, WatchSchedule] = field(default_factory=dict)  # by the name of the watch
    _workers: Workers = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._workers = Workers(self.hands, self.clock)

    def carry_out(self, steps: Sequence[Step[Any]]) -> tuple[Check, ...]:
        """Every step that is not done by the journal, in order; a proof is observed again in any case. A step
        invalidated by a watch runs again. Raises the step's error, StopRequested."""
        checks: list[Check] = []
        while True:
            try:
                for step in steps:
                    if step.name not in self.journal.memory.done or step.proof:
                        checks += self.carry_out_one(step)
            except _StartOver as start_over:
                forgotten = start_over.forgotten
                if not forgotten.again or not {*forgotten.steps} <= {step.name for step in steps}:
                    error = forgotten.error
                    self.journal.write("failed", step=None, error=type(error).__name__, text=error.paragraph())
                    raise error from None
                continue
            watch_checks = self._describe_watches()
            if watch_checks:
                self.journal.write("checked", step="watches", checks=[asdict(check) for check in watch_checks])
            return (*checks, *watch_checks)

    def carry_out_one(self, step: Step[Any]) -> tuple[Check, ...]:
        done, seconds = self._run_to_end(step, "step", step.name)
        checks = [asdict(check) for check in done.checks]
        fields = {"checks": checks} if checks else {}
        self.journal.write("done", step=step.name, because=done.because, seconds=seconds, **fields)
        self.send_mirror()
        return done.checks

    def undo(self, steps: Sequence[Step[Any]]) -> tuple[Check, ...]:
        """Undo those of these steps that were begun and are not undone yet, in the given order. Their warnings are
        journaled: a resumed abort does not observe again. Raises as `carry_out`."""
        checks: list[Check] = []
        for step in steps:
            memory = self.journal.memory
            if step.revert is not None and step.name in memory.begun - memory.undone:
                undoing = replace(step, observe=step.look_back or step.observe, plan=step.revert, announced=False)
                done, seconds = self._run_to_end(undoing, "undo", f"undo {step.name}")
                warnings = [f"{check.name}: {check.seen}" for check in done.checks if check.verdict == "warning"]
                self.journal.write("undone", step=step.name, because=done.because, seconds=seconds, warnings=warnings)
                self.send_mirror()
                checks += done.checks
        return tuple(checks)

    def _run_to_end(self, step: Step[Any], line: str, heading: str) -> tuple[Done, float]:
        """Run the rounds of a step to the end; also returns the seconds. `line` is the journal's line for the start."""
        started = self.clock.now()
        self.journal.write(line, step=step.name)
        self.tell(Progress("begin", heading, step.documented))
        attempt = _Pass(self.patience)
        try:
            done = next(self._rounds(step, attempt))
        except HcpDrError as error:
            if line == "step" and step.fallback:
                error.remedy = f"{error.remedy} {step.fallback}"
            error.left_as = still_true(error.left_as, step.name, self.journal.memory.acted)
            self.journal.write("failed", step=step.name, error=type(error).__name__, text=error.paragraph())
            self.tell(Progress("refused", step.name, error.what, self.clock.now() - started))
            raise
        done = replace(done, checks=(*done.checks, *attempt.checks))
        seconds = self.clock.now() - started
        self.tell(Progress("done", step.name, done.because, seconds))
        return done, round(seconds, 3)

    def _rounds(self, step: Step[Any], attempt: _Pass) -> Iterator[Done]:
        wake = None
        ports = cached(self.ports)
        while True:
            if self.stop.is_set():
                self.journal.write("stopped", step=step.name)
                raise StopRequested
            if attempt.watched:
                self._evaluate_watches()
            mark = mark_of(self.ports, wake)
            try:
                [facts] = self._run_all([partial(step.observe, ports, self.case, self.journal.memory)])
            except HcpDrError as error:
                self._wait_or_raise(step, error, attempt)
                continue
            self.answered |= step.name not in self.journal.memory.done  # a proof that is read again may ask nothing
            decision = step.plan(facts)
            match decision:
                case Done():
                    yield decision
                    return
                case Refuse():
                    if attempt.watched and self._evaluate_watches(at_once=True):
                        continue  # the watch may have corrected the cause of the refusal
                    self.last_refusal = decision
                    raise decision.error
                case Wait():
                    decision = self._held_up(step, ports, attempt) or decision
                    outcome = self._await(step, decision, attempt, mark if wake == decision.wake else None)
                    if outcome is not None:
                        yield outcome
                        return
                    wake = decision.wake
                case Do(actions):
                    self._act(step, actions, attempt)

    def _evaluate_watches(self, *, at_once: bool = False) -> bool:
        """Evaluate the watches that are due, or all. A watch that cannot be evaluated does not block the step; its
        refusal stops the run. Returns whether a watch had an alarm and corrected it."""
        corrected = False
        for watch in self.watches:
            schedule = self.watch_schedules.setdefault(watch.page.name, WatchSchedule())
            is_early = self.clock.now() < schedule.next and not at_once
            if is_early or not watch.in_force(self.journal.memory):
                continue
            try:
                corrected |= self._evaluate(watch)
            except Refused:
                raise
            except HcpDrError as error:
                if schedule.record_failure(self.clock.now(), error.what):
                    self.journal.write("unwatched", watch=watch.page.name, text=error.what)
                    self.tell(Progress("warned", watch.page.name, f"cannot evaluate this watch: {error.what}"))
                continue
            if schedule.record_success(self.clock.now()):
                self.journal.write("watched", watch=watch.page.name)
        return corrected

    def _evaluate(self, watch: Watch[Any]) -> bool:
        name = watch.page.name
        alarm = watch.alarm(watch.page.observe(self.ports, self.case, self.journal.memory))
        if alarm is None:
            return False
        self.journal.write("alarm", watch=name, text=alarm)
        self.tell(Progress("warned", name, alarm))
        done = next(self._rounds(watch.page, _Pass(min(self.patience, PATIENCE), watched=False)))
        self.journal.write("calm", watch=name, because=done.because)
        self.tell(Progress("done", name, done.because))
        return True

    def _describe_watches(self) -> tuple[Check, ...]:
        return tuple(
            check
            for watch in self.watches
            for check in (
                *watch.describe(self.journal.memory),
                *self.watch_schedules.get(watch.page.name, WatchSchedule()).describe(watch.page.name, self.clock.now()),
            )
        )

    def _held_up(self, step: Step[Any], ports: Ports, attempt: _Pass) -> Wait | None:
        """The wait that has to end before the plan's. If this cannot be read, the plan waits."""

        def ask() -> Wait | None:
            try:
                return step.held_up(ports, self.case) if step.held_up else None
            except HcpDrError:
                return None

        [held_up] = self._run_all([ask]) if step.held_up else [None]
        if held_up is not None:
            attempt.waiting = {until: at for until, at in attempt.waiting.items() if until == held_up.until}
        return held_up

    def _await(self, step: Step[Any], wait: Wait, attempt: _Pass, mark: str | None) -> Done | None:
        """Wait until a change is possible. Returns the step's outcome after a deadline that is not an error."""
        now, ask = self.clock.now(), partial(self._read_sign, step)
        waiting = attempt.waiting.get(wait.until)
        if waiting is None:
            waiting = attempt.waiting[wait.until] = Waiting(now, now, ask(), wait.seen)
            self.journal.write("wait", step=step.name, until=wait.until, seen=wait.seen, limit=wait.limit)
        waited = now - waiting.began
        self.tell(Progress("wait", step.name, f"until {wait.until}; seen: {wait.seen}", waited))
        if waiting.is_over(wait, now, ask):
            if wait.then is not None:
                return wait.then
            seen = waiting.describe(wait)
            raise TimedOut(step=step.name, seconds=waited, until=wait.until, seen=seen.rstrip("."), todo=wait.todo)
        attempt.passing_since, attempt.stale = None, 0
        if wait.rest is not None:  # no more often than the watches and the Leases need it
            self.clock.pause(min(wait.rest, OBSERVE_INTERVAL, waiting.left(wait, now)))
        elif wait.wake is not None and mark is None:
            self.clock.pause(0.05)
        else:
            self.clock.await_change(self.ports, wait.wake, mark, min(OBSERVE_INTERVAL, waiting.left(wait, now)))
        return None

    def _read_sign(self, step: Step[Any]) -> str:
        [sign] = self._run_all([partial(read_sign, step, self.ports, self.case)]) if step.sign else [""]
        return sign

    def _act(self, step: Step[Any], actions: tuple[Action, ...], attempt: _Pass) -> None:
        for action in actions:
            if attempt.succeeded[fingerprint(action)] >= 2:
                raise repeated_action_error(step.name, action, self.ports)
        for action in actions:
            if isinstance(action, Remember):
                keep(self.journal, action)
        if any(isinstance(action, Remember) for action in actions):
            self.send_mirror(now=True)
        acts = [action for action in actions if not isinstance(action, Remember | Invalidate)]
        if acts and not self._perform_batch(step, acts, attempt):
            return
        for action in actions:
            if isinstance(action, Invalidate):
                self.journal.write("forget", steps=list(action.steps), keys=list(action.keys))
                self.send_mirror(now=True)
                raise _StartOver(action)

    def _perform_batch(self, step: Step[Any], acts: Sequence[Action], attempt: _Pass) -> bool:
        """Whether all actions succeeded; if not, the loop must observe again."""
        self._renew_lease()
        if step.announced and not self._announce(step, attempt):
            return False
        first = step.name not in self.journal.memory.acted
        self.journal.write("intent", step=step.name, actions=describe_all(acts))
        if self.mirror is not None and self.mirror.must_send_before(step.name, undoable=step.revert is not None):
            self.send_mirror(now=True)
        if step.gate is not None and not self._passes_gate(step, step.gate, attempt, first=first):
            return False
        self.tell(Progress("act", step.name, "; ".join(describe_all(acts)[:3]) + _more(len(acts) - 3)))
        failures = self._perform(acts, attempt)
        self.journal.write(
            "outcome", step=step.name, failed=[f"{action.describe()}: {error.what}" for action, error in failures]
        )
        if not failures:
            attempt.passing_since, attempt.stale = None, 0
            return True
        for _, error in failures:
            if not (error.passing or isinstance(error, STALE)):
                raise error
        self._wait_or_raise(step, failures[0][1], attempt)
        return False

    def _passes_gate(self, step: Step[Any], gate: Gate, attempt: _Pass, *, first: bool) -> bool:
        """Whether the actions may follow at once; if not, the loop must observe again. A `first` intent without any
        action after it is withdrawn: the step has not acted."""
        refused: Refuse | None = None
        try:
            [decision] = self._run_all([partial(gate, self.ports, self.case, self.journal.memory)])
            match decision:
                case Done():
                    attempt.checks += decision.checks
                    return True
                case Refuse():
                    refused, error = decision, decision.error
                case Wait():
                    if first:
                        self.journal.write("withdrawn", step=step.name, because=f"not yet: {decision.until}")
                    return False  # the plan of the step waits
                case _:
                    raise TypeError(decision)  # a gate does not act
        except HcpDrError as unanswered:
            error = unanswered
        if first:
            self.journal.write("withdrawn", step=step.name, because=error.what)
        if refused is None:
            self._wait_or_raise(step, error, attempt)
            return False
        if attempt.watched and self._evaluate_watches(at_once=True):
            return False
        self.last_refusal = refused
        raise error

    def _announce(self, step: Step[Any], attempt: _Pass) -> bool:
        """Whether the Leases have the announcement; if not, the loop must observe again."""
        try:
            if self.lease is not None:
                self.lease.announce(step.name)
        except HcpDrError as error:
            self._wait_or_raise(step, error, attempt)
            return False
        return True

    def _perform(self, actions: Sequence[Action], attempt: _Pass) -> list[tuple[Action, HcpDrError]]:
        def one(action: Action) -> HcpDrError | None:
            try:
                perform(action, self.ports)
            except HcpDrError as error:
                return error
            return None

        results = self._run_all([partial(one, action) for action in actions])
        failures = []
        for action, error in zip(actions, results, strict=True):
            if error is None:
                attempt.succeeded[fingerprint(action)] += 1
            else:
                failures.append((action, error))
        return failures

    def _run_all(self, works: Sequence[Callable[[], Answer]]) -> list[Answer]:
        return self._workers.run_all(works, self.lease)

    def _renew_lease(self) -> None:
        if self.lease is not None:
            self.lease.renew()

    def send_mirror(self, *, now: bool = False) -> None:
        """The Leases record what the mirror has; if the bucket fails, they record first that it lacks lines of this
        journal."""
        if self.mirror is None:
            return
        manifest, known = self.mirror.archive.read(MANIFEST), self.mirror.journal.story.manifest
        if manifest is not None and (digest := sha256_of(manifest)) != known:
            self.journal.write("manifest", sha256=digest)
        failed_before = self.mirror.is_failing
        self._run_all([self.mirror.send if now else self.mirror.send_if_due])
        if self.lease is None:
            return
        if not self.mirror.is_failing:
            self.lease.record_mirrored(self.mirror.mark, at_once=now)
        elif not failed_before:
            writer = f"{self.lease.me}, not mirrored since line {len(self.mirror.journal.story.lines)}"
            self.journal.write("unmirrored", by=writer)
            self.lease.record_writer(writer)

    def _pause(self, seconds: float) -> None:
        """Pause in pieces, to renew a lease in time."""
        until = self.clock.now() + seconds
        while (
            self.lease is not None
            and self.lease.seconds_until_due() < until - self.clock.now()
            and not self.stop.is_set()
        ):
            self.clock.pause(max(self.lease.seconds_until_due(), 0.05))
            self._renew_lease()
        self.clock.pause(max(0.0, until - self.clock.now()))

    def _wait_or_raise(self, step: Step[Any], error: HcpDrError, attempt: _Pass) -> None:
        """Wait a little so that the caller can observe again, or raise after too long a time."""
        now = self.clock.now()
        if error.passing:
            if attempt.passing_since is None:
                attempt.passing_since = now
            patience = attempt.patience if self.answered else min(attempt.patience, FIRST_ANSWER_TIMEOUT)
            if now - attempt.passing_since >= patience:
                raise error
            retry_after = error.retry_after if isinstance(error, ServerBusy) else None
            self.tell(Progress("again", step.name, error.what, now - attempt.passing_since))
            self._pause(min(retry_after or 1.0, 30.0))
        elif isinstance(error, STALE):
            attempt.stale += 1
            if attempt.stale >= STALE_LIMIT:
                raise error
            self.clock.pause(0.05 * attempt.stale)
        else:
            raise error


def _more(count: int) -> str:
    return f"; and {count} more" if count > 0 else ""
