"""Marks the hosted cluster with the name of the source, and with a nonce that later proves the identity of the restored
content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.peers import Stranger, stranger_inside
from hcp_dr.engine.step import Action, Check, Create, Decision, Delete, Do, Done, Patch, Refuse, Step
from hcp_dr.hypershift import steps
from hcp_dr.hypershift.identity import NONCE_MARK, PARENT, WHERE
from hcp_dr.hypershift.state import MARKS_BEFORE, NONCE
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import CONFIG_MAP
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig, uid_of


@dataclass(frozen=True, slots=True)
class Facts:
    source: str
    proposed_nonce: str
    nonce: str | None  # remembered
    marks: Mapping[str, Object]  # ConfigMaps of namespace default in the hosted cluster, by name
    before: Mapping[str, Mapping[str, str] | None] | None = (
        None  # remembered: the former data, None for an absent ConfigMap
    )
    stranger: Stranger | None = None  # another hosted cluster, reached instead

    @property
    def wanted(self) -> dict[str, dict[str, str]]:
        return {PARENT: {"from": self.source}, NONCE_MARK: {"nonce": self.nonce or self.proposed_nonce}}


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    marks = {name: ports.hosted.find(CONFIG_MAP, name, WHERE) for name in (PARENT, NONCE_MARK)}
    return Facts(
        source=case.source,
        proposed_nonce=ports.fresh_id(),
        nonce=memory.get(NONCE),
        marks={name: item for name, item in marks.items() if item is not None},
        before=memory.get(MARKS_BEFORE),
        stranger=stranger_inside(ports, case.cluster_id),
    )


def plan(facts: Facts) -> Decision:
    if facts.stranger is not None:
        return Refuse(facts.stranger.error)
    if facts.nonce is None:
        before = {name: dig(facts.marks.get(name), "data") for name in facts.wanted}
        return Do((MARKS_BEFORE.remember(before), NONCE.remember(facts.proposed_nonce)))
    actions = tuple(
        _mark(name, data, facts.marks.get(name))
        for name, data in facts.wanted.items()
        if not data.items() <= (dig(facts.marks.get(name), "data") or {}).items()
    )
    return Do(actions) if actions else Done(f"ConfigMap {WHERE}/{PARENT} names {facts.source}, and the nonce is set")


def _mark(name: str, data: dict[str, str], existing: Object | None) -> Create | Patch:
    if existing is not None:
        return Patch("hosted", CONFIG_MAP, name, WHERE, {"data": data})
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": WHERE}, "data": data}
    return Create("hosted", CONFIG_MAP, body)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.nonce is None:
        return replace(facts, nonce=facts.proposed_nonce)
    return replace(facts, marks={name: {"data": data} for name, data in facts.wanted.items()})


def revert(facts: Facts) -> Decision:
    if facts.nonce is None:
        return Done("nothing was marked")
    if facts.stranger is not None:
        return Refuse(facts.stranger.error)
    actions: list[Action] = []
    changed: list[str] = []
    for name, data in facts.wanted.items():
        mark, before = facts.marks.get(name), (facts.before or {}).get(name)
        now = dig(mark, "data") or {}
        former = {key: (before or {}).get(key) for key in data}
        if mark is None or former == {key: now.get(key) for key in data}:
            continue
        if not data.items() <= now.items():
            changed.append(name)
        elif before is None and now == data:
            actions.append(Delete("hosted", CONFIG_MAP, name, WHERE, uid_of(mark)))
        else:
            actions.append(Patch("hosted", CONFIG_MAP, name, WHERE, {"data": former}))
    if actions:
        return Do(tuple(actions))
    seen = f"ConfigMaps of {WHERE} with other content than this relocation wrote: {', '.join(changed)}"
    why = "another client has changed these ConfigMaps; hcp-dr did not restore them"
    checks = (Check("marks", "warning", seen, why),) if changed else ()
    return Done("the hosted cluster has no mark of this relocation", checks)


STEP = Step(
    name=steps.BACKUP_MARK_PARENT,
    documented="8.6.2-1",
    observe=observe,
    plan=plan,
    afterwards=afterwards,
    revert=revert,
)
