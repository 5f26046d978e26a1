"""Marks the hosted cluster with where it comes from, and with a nonce that proves later that this very content came
over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Create, Decision, Do, Done, Patch, Remember, Step
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import CONFIG_MAP
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig
from hcp_dr.procedure.identity import NONCE, PARENT, WHERE


@dataclass(frozen=True, slots=True)
class Facts:
    source: str
    proposed_nonce: str
    nonce: str | None  # remembered
    marks: Mapping[str, Object]  # ConfigMaps of namespace default in the hosted cluster, by name


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    marks = {name: ports.hosted.find(CONFIG_MAP, name, WHERE) for name in (PARENT, NONCE)}
    return Facts(
        source=case.source,
        proposed_nonce=ports.fresh_id(),
        nonce=memory.text("nonce"),
        marks={name: item for name, item in marks.items() if item is not None},
    )


def plan(facts: Facts) -> Decision:
    if facts.nonce is None:
        return Do((Remember("nonce", facts.proposed_nonce),))
    wanted = {PARENT: {"from": facts.source}, NONCE: {"nonce": facts.nonce}}
    actions = tuple(
        _mark(name, data, facts.marks.get(name))
        for name, data in wanted.items()
        if not data.items() <= (dig(facts.marks.get(name), "data") or {}).items()
    )
    return Do(actions) if actions else Done(f"{WHERE}/{PARENT} says {facts.source}, and the nonce is there")


def _mark(name: str, data: dict[str, str], found: Object | None) -> Create | Patch:
    if found is not None:
        return Patch("hosted", CONFIG_MAP, name, WHERE, {"data": data})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": WHERE}, "data": data}
    return Create("hosted", CONFIG_MAP, body)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.nonce is None:
        return replace(facts, nonce=facts.proposed_nonce)
    wanted = {PARENT: {"from": facts.source}, NONCE: {"nonce": facts.nonce}}
    return replace(facts, marks={name: {"data": data} for name, data in wanted.items()})


STEP = Step(name="backup.mark_parent", documented="8.6.2-1", observe=observe, plan=plan, afterwards=afterwards)
