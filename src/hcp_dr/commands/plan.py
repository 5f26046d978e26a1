"""What each step would do. Nothing is written anywhere."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.commands.beginning import nothing_begun
from hcp_dr.commands.context import Context
from hcp_dr.commands.discover import discover_relocation
from hcp_dr.commands.restore_by_hand import is_by_hand
from hcp_dr.engine.foretell import Estimate, PlannedStep, foretell
from hcp_dr.engine.journal import RESTORE_BY_HAND
from hcp_dr.errors import SettingsError
from hcp_dr.hypershift import downtime
from hcp_dr.model import DNS, RELEASE, Dns
from hcp_dr.procedure import PHASES


@dataclass(frozen=True, slots=True)
class Plan:
    """`estimate` is how long the API will be away; None for a phase that does not take it away."""

    steps: list[PlannedStep]
    estimate: Estimate | None


def plan(context: Context, phase: str = "relocate", *, dns: Dns = RELEASE) -> Plan:
    """Raises HcpDrError."""
    if phase not in PHASES:
        raise SettingsError(what=f"There is no phase {phase}.", todo=f"Choose one of {', '.join(PHASES)}.")
    with nothing_begun():
        context.choose(context.backups.folder(new=True))
        memory = context.story.memory
        memory = memory.with_value(DNS, dns) if dns != RELEASE else memory
        case = discover_relocation(context)
        if phase == "restore" and is_by_hand(context.folder, context.requested.namespace):
            phase = RESTORE_BY_HAND
        ports = context.ports
        steps = [foretell(step, ports, case, memory) for step in PHASES[phase]]
        estimate = downtime.estimate(downtime.observe(ports, case, memory)) if phase == "relocate" else None
        return Plan(steps, estimate)
