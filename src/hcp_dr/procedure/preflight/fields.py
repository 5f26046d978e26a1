"""Does hcp-dr know the fields of HostedCluster and NodePools, and does the destination have the fields of all carried
objects?"""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Step
from hcp_dr.hypershift.checks import verdict
from hcp_dr.hypershift.fields import check_dropped, check_unknown, find_dropped, find_unknown
from hcp_dr.hypershift.inventory import read_inventory
from hcp_dr.model import Case, Ports
from hcp_dr.objects.scrub import scrub


@dataclass(frozen=True, slots=True)
class Facts:
    unknown: tuple[str, ...]  # fields of HostedCluster and NodePools, each with its object
    dropped: tuple[str, ...]  # fields of the carried objects that the destination does not have


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    items = tuple(scrub(item) for item in read_inventory(ports.source, case))
    return Facts(find_unknown(items), find_dropped(ports.destination, items))


def plan(facts: Facts) -> Decision:
    return verdict((check_unknown(facts.unknown), check_dropped(facts.dropped)))


STEP = Step(name="preflight.fields", documented="-", observe=observe, plan=plan)
