"""`hcp-dr plan [PHASE]`: prints what each step would do, and does nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from hcp_dr.cli import by_hand
from hcp_dr.cli.asking import show
from hcp_dr.cli.beginning import nothing_begun
from hcp_dr.cli.session import Backup, DnsOption, EnvFile, OutputOption, open_session
from hcp_dr.engine.foretell import foretell
from hcp_dr.engine.journal import Memory
from hcp_dr.errors import SettingsError
from hcp_dr.hypershift import downtime
from hcp_dr.model import DNS, RELEASE
from hcp_dr.procedure import PHASES
from hcp_dr.report import plan as report


def plan(
    phase: Annotated[str, typer.Argument(help=f"One of {', '.join(PHASES)}.")] = "relocate",
    env_file: EnvFile = None,
    backup: Backup = None,
    output: OutputOption = "text",
    dns: DnsOption = "release",
) -> None:
    """Print what each step would do. Nothing is written anywhere."""
    if phase not in PHASES:
        raise SettingsError(what=f"There is no phase {phase}.", todo=f"Choose one of {', '.join(PHASES)}.")
    with nothing_begun():
        session = open_session(env_file, backup, new=True)
        story = session.story()
        memory = story.memory if story else Memory()
        memory = memory.with_value(DNS, dns) if dns != RELEASE else memory
        case = session.discover()
    if phase == "restore" and by_hand.is_by_hand(session.folder, session.settings):
        phase = by_hand.COMMAND
    steps = [foretell(step, session.ports, case, memory) for step in PHASES[phase]]
    estimate = downtime.estimate(downtime.observe(session.ports, case, memory)) if phase == "relocate" else None
    show(output, report.to_json(steps, estimate), report.to_text(steps, estimate))
