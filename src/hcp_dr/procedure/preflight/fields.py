"""Does hcp-dr know the fields of HostedCluster and NodePools?"""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Step
from hcp_dr.hypershift.checks import verdict
from hcp_dr.hypershift.fields import check_unknown, find_unknown
from hcp_dr.hypershift.inventory import read_inventory
from hcp_dr.model import Case, Ports
from hcp_dr.objects.scrub import scrub


@dataclass(frozen=True, slots=True)
class Facts:
    unknown: tuple[str, ...]  # fields of HostedCluster and NodePools, each with its object


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    return Facts(find_unknown(scrub(item) for item in read_inventory(ports.source, case)))


def plan(facts: Facts) -> Decision:
    return verdict((check_unknown(facts.unknown),))


STEP = Step(name="preflight.fields", documented="-", observe=observe, plan=plan)
