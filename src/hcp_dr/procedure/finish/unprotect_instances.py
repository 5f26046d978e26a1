"""Puts the instances' termination protection back to what it was before `protect_instances`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Decision, Step
from hcp_dr.model import Case, Later, Ports
from hcp_dr.procedure.backup.protect_instances import put_back


@dataclass(frozen=True, slots=True)
class Facts:
    before: Mapping[str, Any]  # remembered
    protected: Mapping[str, bool]


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    before = memory.mapping("protection") or {}
    found = ports.instances.describe(tuple(before))
    return Facts(before, {instance.instance_id: instance.termination_protected for instance in found})


def plan(facts: Facts) -> Decision:
    return put_back(facts.before, facts.protected)


def foresee(facts: Facts) -> Facts:
    name = Later("each instance that was not protected before")
    return replace(facts, before=facts.before or {name: False}, protected=facts.protected or {name: True})


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, protected={})


STEP = Step(
    name="finish.unprotect_instances",
    documented="-",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
