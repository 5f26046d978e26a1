"""Are the certificates of the three API servers trusted?"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Step
from hcp_dr.hypershift.access.tls import Server, checks, read_servers
from hcp_dr.hypershift.checks import verdict
from hcp_dr.model import Case, Ports


@dataclass(frozen=True, slots=True)
class Facts:
    servers: tuple[Server, ...]


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    return Facts(read_servers(ports))


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts.servers, acceptable=True))


def plan_strictly(facts: Facts) -> Decision:
    return verdict(checks(facts.servers, acceptable=False))


STEP = Step(name="preflight.tls", documented="-", observe=observe, plan=plan)
STRICT = replace(STEP, plan=plan_strictly)
"""For a command without `--accept`."""
