"""The plan of each step. Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.commands import abort, restore_lost
from hcp_dr.commands.backups_to_restore import advised
from hcp_dr.commands.begun import check_nothing_begun
from hcp_dr.commands.context import Context
from hcp_dr.commands.discover import discover_relocation
from hcp_dr.commands.journaled_case import check_nothing_begun_here, journaled_case, known_case, unfinished_case
from hcp_dr.commands.left_as_was import nothing_begun
from hcp_dr.commands.restore_by_hand import is_by_hand
from hcp_dr.engine.journal import ABORT, RESTORE_BY_HAND, RunState
from hcp_dr.engine.planner import Estimate, PlannedStep, plan_step, plan_undo
from hcp_dr.engine.step import Step
from hcp_dr.errors import SettingsError
from hcp_dr.hypershift import downtime, source_loss
from hcp_dr.hypershift.state import DNS
from hcp_dr.model import RELEASE, Case, Dns, Ports
from hcp_dr.procedure import IN_SERVICE, PHASES, RESTORE_LOST, UNDO, Steps, working_steps

RESUME = "resume"
BEGINNING = ("relocate", "backup", "preflight")
"""Commands planned from the settings; all others are planned from the journal, if there is one."""
PLANNED = (*PHASES, RESUME, ABORT)


@dataclass(frozen=True, slots=True)
class Plan:
    """`command` is the planned command. `estimate` is the expected downtime of the API; None for a command without
    downtime."""

    command: str
    steps: list[PlannedStep]
    estimate: Estimate | None = None


@advised
def plan(context: Context, command: str = "", *, dns: Dns = RELEASE, source_lost: bool = False) -> Plan:
    """The plan of `relocate`, a phase, `resume` or `abort`; without a command, of `resume` if the backup folder's
    journal is unfinished, else of `relocate`. With `source_lost` the plan of `restore` while the source does not
    answer. Raises HcpDrError."""
    if command and command not in PLANNED:
        raise SettingsError(what=f"There is no plan for {command}.", todo=f"Choose one of {', '.join(PLANNED)}.")
    if source_lost and command != "restore":
        raise SettingsError(what="--source-lost only applies to restore.", todo="Leave it out, or plan restore.")
    with nothing_begun():
        if source_lost:
            return _source_lost(context)
        context.choose(context.backups.folder(new=True))
        story = context.story
        if command == ABORT:
            return _abort(context, journaled_case(context))
        if command == RESUME or (not command and story.command is not None and not story.ended):
            return _resume(context, unfinished_case(context))
        if command in BEGINNING or not command:
            check_nothing_begun_here(context)
            check_nothing_begun(context)
            return _begin(context, command or BEGINNING[0], dns)
        if story.command is None:
            check_nothing_begun(context)
        return _phase(context, command)


def _begin(context: Context, command: str, dns: Dns) -> Plan:
    case, ports = discover_relocation(context), context.ports
    memory = RunState().with_remembered(DNS.remember(dns)) if dns != RELEASE else RunState()
    estimate = downtime.estimate(downtime.observe(ports, case, memory)) if command == "relocate" else None
    return Plan(command, _steps(PHASES[command], ports, case, memory), estimate)


def _phase(context: Context, command: str) -> Plan:
    """The plan of a later phase. If no earlier phase has begun, it is planned as if they had."""
    by_hand = command == "restore" and is_by_hand(context.folder, context.requested.namespace)
    if by_hand or command == RESTORE_BY_HAND:
        steps = PHASES[RESTORE_BY_HAND]
        return Plan(RESTORE_BY_HAND, _steps(steps, context.ports, discover_relocation(context), RunState()))
    story = context.story
    case = known_case(context, command) if story.command is not None else discover_relocation(context)
    return Plan(command, _steps(PHASES[command], context.ports, case, story.memory))


def _resume(context: Context, case: Case) -> Plan:
    story, ports = context.story, context.ports
    if story.aborted:
        return _undoing(context, case)
    if story.command == RESTORE_LOST:
        ports = replace(ports, source=source_loss.lost_source())
    return Plan(RESUME, _steps(working_steps(str(story.command)), ports, case, story.memory))


def _abort(context: Context, case: Case) -> Plan:
    """Raises PastNoReturn, NothingToResume, Refused if an abort is not possible."""
    abort.check_abortable(context, case)
    return _undoing(context, case)


def _undoing(context: Context, case: Case) -> Plan:
    memory, ports = context.story.memory, context.ports
    begun = [step for step in UNDO if step.name in memory.begun - memory.undone]
    back = [plan_undo(step, ports, case, memory) for step in begun]
    return Plan(ABORT, [*back, *_steps(IN_SERVICE, ports, case, memory)])


def _source_lost(context: Context) -> Plan:
    """Does not check whether the source answers: a plan is made before it is needed."""
    case, memory = restore_lost.foresee(context)
    ports = replace(context.ports, source=source_loss.lost_source())
    return Plan(RESTORE_LOST, _steps(working_steps(RESTORE_LOST), ports, case, memory))


def _steps(steps: Steps | Sequence[Step[Any]], ports: Ports, case: Case, memory: RunState) -> list[PlannedStep]:
    return [plan_step(step, ports, case, memory) for step in steps]
