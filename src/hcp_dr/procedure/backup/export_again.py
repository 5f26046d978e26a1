"""Exports once more after the fence: objects that changed between the export and the fence are written again, and
changed objects that are already on the destination are remembered for `restore.carry_again`. A created or deleted
Machine stops the relocation (rule G). The manifest then contains the fence's ID."""

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
    exported = export.observe(ports, case, memory)
    values = {field.name: getattr(exported, field.name) for field in fields(exported)}
    return Facts(**values, changed=memory.get(CHANGED))


def describe_changed_machines(facts: Facts) -> str | None:
    """Machines that were created or deleted since the export; the exported Machines are already on the destination."""
    manifest = facts.manifest
    if manifest is None:
        return None
    kinds = ("Machine", "AWSMachine")
    before = {f"{kind} {entry.name}" for kind in kinds for entry in manifest.of_kind(kind)}
    after = {f"{item['kind']} {name_of(item)}" for item in facts.live if item["kind"] in kinds}
    if before == after:
        return None
    created, deleted = sorted(after - before), sorted(before - after)
    return f"created: {', '.join(created) or 'none'}; deleted: {', '.join(deleted) or 'none'}"


_RESTORED_KINDS = frozenset({"Secret", "ConfigMap", *(resource.kind for resource in MACHINERY)})


def find_changed_contents(facts: Facts) -> dict[str, tuple[str, str | None, str]]:
    """Objects of the kinds that are restored from the first export, created, deleted or changed since then: a rotated
    authority, a changed machine; by file. Tokens rotate under the pause, and are restored last."""
    if facts.manifest is None:
        return {}
    live = [(item, page(item).entry) for item in facts.live if item["kind"] in _RESTORED_KINDS]
    tokens = {entry.file for item, entry in live if entry.kind == "Secret" and is_token_secret(item)}
    before = {entry.file: entry for entry in facts.manifest.entries if entry.kind in _RESTORED_KINDS}
    after = {entry.file: entry for _, entry in live}
    same = {file for file in {*before} & {*after} if before[file].sha256 == after[file].sha256}
    return {
        file: (entry.kind, entry.namespace, entry.name)
        for file, entry in sorted({**before, **after}.items())
        if file not in same | tokens
    }


def plan(facts: Facts) -> Decision:
    changed_machines = describe_changed_machines(facts)
    if changed_machines:
        return Refuse(
            MachineUnsafe(
                what=f"Machines on the source changed between the export and the fence ({changed_machines}).",
                left="The control plane stays fenced, and the hosted API is unavailable.",
                todo="Find out who changed the Machines; then lift the fence by hand or start over with a new "
                "BACKUP_DIR.",
            )
        )
    if export.problem(facts.live, facts.folder) is None:
        changed = {**(facts.changed or {}), **find_changed_contents(facts)}
        if changed != (facts.changed or {}):
            return Do((CHANGED.remember(changed),))
    return export.plan(facts)


def foresee(facts: Facts) -> Facts:
    """Facts as if the export and the fence were done a moment ago."""
    for _ in range(2):
        facts = replace(facts, **_exported(facts))
    return replace(facts, fence=Unknown("id of the fence"), manifest=_unfenced(facts.manifest))


def _exported(facts: Facts) -> dict[str, Any]:
    """The written files and the manifest after one round of the export."""
    after = export.afterwards(facts, export.plan(facts))
    return {"written": after.written, "manifest": after.manifest}


def _unfenced(manifest: Manifest | None) -> Manifest | None:
    return None if manifest is None else replace(manifest, fence=None)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if isinstance(decision, Do) and isinstance(decision.actions[0], Remember):
        return replace(facts, changed=CHANGED.read({CHANGED.name: decision.actions[0].value}))
    return replace(facts, **_exported(facts))


STEP = Step(
    name=steps.BACKUP_EXPORT_AGAIN,
    documented="8.6.2-4",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
