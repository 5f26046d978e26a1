"""Are there foreign objects in the source's control plane namespace? The teardown deletes the namespace."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Step
from hcp_dr.hypershift.checks import verdict
from hcp_dr.hypershift.deletion.foreign import Foreign, checks, find_foreign
from hcp_dr.model import Case, Ports


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    found: Foreign


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    namespace = case.control_plane_namespace
    return Facts(namespace, find_foreign(ports.source, namespace))


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts.namespace, facts.found))


STEP = Step(name="preflight.foreign", documented="-", observe=observe, plan=plan)
