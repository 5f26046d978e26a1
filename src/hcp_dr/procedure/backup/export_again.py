"""Looks once more after the fence: what changed between the export and the fence is written again, and what of it is on
the destination by then is remembered, for `restore.carry_again`. A Machine that came or went stops the relocation (rule
G). The manifest then names the fence it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Remember
from hcp_dr.engine.step import Decision, Do, Refuse, Step
from hcp_dr.errors import MachineUnsafe
from hcp_dr.hypershift import export, steps
from hcp_dr.hypershift.inventory import MACHINERY
from hcp_dr.hypershift.state import CHANGED
from hcp_dr.model import Case, Ports, Unknown
from hcp_dr.objects.archive import Manifest, page
from hcp_dr.objects.reading import name_of
from hcp_dr.objects.select import is_token_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(export.Facts):
    changed: Mapping[str, tuple[str, str | None, str]] | None  # remembered: kind, namespace and name by file


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    seen = export.observe(ports, case, memory)
    return Facts(**{each.name: getattr(seen, each.name) for each in fields(seen)}, changed=memory.get(CHANGED))


def machines_changed(facts: Facts) -> str | None:
    """A Machine that came or went since the export; those are already on the destination."""
    manifest = facts.manifest
    if manifest is None:
        return None
    kinds = ("Machine", "AWSMachine")
    before = {f"{kind} {entry.name}" for kind in kinds for entry in manifest.of_kind(kind)}
    after = {f"{item['kind']} {name_of(item)}" for item in facts.live if item["kind"] in kinds}
    if before == after:
        return None
    return f"came: {', '.join(sorted(after - before)) or 'none'}; went: {', '.join(sorted(before - after)) or 'none'}"


_ALREADY_THERE = frozenset({"Secret", "ConfigMap", *(resource.kind for resource in MACHINERY)})


def contents_changed(facts: Facts) -> dict[str, tuple[str, str | None, str]]:
    """Objects restored from the first export that came, went or differ now: a rotated authority, a changed machine, by
    file. Tokens rotate under the pause, and are restored last."""
    if facts.manifest is None:
        return {}
    live = [(item, page(item).entry) for item in facts.live if item["kind"] in _ALREADY_THERE]
    tokens = {entry.file for item, entry in live if entry.kind == "Secret" and is_token_secret(item)}
    before = {entry.file: entry for entry in facts.manifest.entries if entry.kind in _ALREADY_THERE}
    after = {entry.file: entry for _, entry in live}
    same = {file for file in {*before} & {*after} if before[file].sha256 == after[file].sha256}
    return {
        file: (entry.kind, entry.namespace, entry.name)
        for file, entry in sorted({**before, **after}.items())
        if file not in same | tokens
    }


def plan(facts: Facts) -> Decision:
    moved = machines_changed(facts)
    if moved:
        return Refuse(
            MachineUnsafe(
                what=f"Machines changed between the export and the fence ({moved}).",
                left="The control plane stays fenced, so the hosted API is away.",
                todo="Find out who changed them; then lift the fence by hand or start over with a new BACKUP_DIR.",
            )
        )
    if export.problem(facts.live, facts.folder) is None:
        changed = {**(facts.changed or {}), **contents_changed(facts)}
        if changed != (facts.changed or {}):
            return Do((CHANGED.remember(changed),))
    return export.plan(facts)


def foresee(facts: Facts) -> Facts:
    """As if exported and fenced a moment ago."""
    for _ in range(2):
        facts = replace(facts, **_exported(facts))
    return replace(facts, fence=Unknown("id of the fence"), manifest=_unfenced(facts.manifest))


def _exported(facts: Facts) -> dict[str, Any]:
    """What is written and in the manifest after one round of the export."""
    after = export.afterwards(facts, export.plan(facts))
    return {"written": after.written, "manifest": after.manifest}


def _unfenced(manifest: Manifest | None) -> Manifest | None:
    return None if manifest is None else replace(manifest, fence=None)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if isinstance(decision, Do) and isinstance(decision.actions[0], Remember):
        return replace(facts, changed=decision.actions[0].value)
    return replace(facts, **_exported(facts))


STEP = Step(
    name=steps.BACKUP_EXPORT_AGAIN,
    documented="8.6.2-4",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
