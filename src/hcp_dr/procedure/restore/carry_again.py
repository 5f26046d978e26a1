"""Carries objects again that changed between the export and the fence and were already on the destination: a rotated
authority, a leaf certificate, the spec of a machine object (rule G).

No controller acts on these objects yet. So a Secret is deleted and created again, which keeps the content out of
printed patches; a machine object is patched, because owned objects would lose their owner."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Action, Create, Decision, Delete, Do, Done, Patch, Refuse, Step
from hcp_dr.errors import RESUME, NotOurs
from hcp_dr.hypershift import scope, steps
from hcp_dr.hypershift.backup_objects import Restorable, differing_keys, is_ours, marked, to_restore
from hcp_dr.hypershift.inventory import MACHINERY, RESOURCES
from hcp_dr.hypershift.machines import restore
from hcp_dr.kube.port import Object
from hcp_dr.model import Case, Ports
from hcp_dr.objects.difference import merge_patch
from hcp_dr.objects.reading import annotations_of, labels_of, name_of, namespace_of, uid_of

_MACHINERY = frozenset(resource.kind for resource in MACHINERY)


@dataclass(frozen=True, slots=True)
class Changed:
    """One object. `wanted` is None for an object deleted on the source, `found` for an object absent on the
    destination."""

    kind: str
    wanted: Restorable | None
    found: Object | None

    @property
    def machinery(self) -> bool:
        return self.kind in _MACHINERY


@dataclass(frozen=True, slots=True)
class Facts:
    backup_id: str
    changed: tuple[Changed, ...]
    machines: restore.Facts | None  # read if a machine object changed


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    changed = scope.changed(memory, case, RESOURCES)
    if not changed:
        return Facts(case.backup_id, (), None)
    wanted = {item.entry.file: item for item in to_restore(ports, case)}
    items = tuple(
        Changed(kind, wanted.get(file), ports.destination.find(RESOURCES[kind], name, namespace))
        for file, (kind, namespace, name) in sorted(changed.items())
    )
    of_machines = restore.observe(ports, case, memory) if any(item.machinery for item in items) else None
    return Facts(case.backup_id, items, of_machines)


def plan(facts: Facts) -> Decision:
    for item in facts.changed:
        if item.found is not None and not is_ours(item.found, facts.backup_id) and _differs(item, facts.backup_id):
            return Refuse(
                NotOurs(
                    what=f"{item.kind} {namespace_of(item.found)}/{name_of(item.found)} changed on the source since "
                    "the export, and the object of this name on the destination was not created by this relocation.",
                    left="The object was not touched. The control plane stays fenced, and the hosted API is "
                    "unavailable.",
                    todo=f"Find the owner; update the object by hand if possible, then run {RESUME}.",
                )
            )
    actions = tuple(action for item in facts.changed if (action := _correct(item, facts.backup_id)) is not None)
    if actions:
        return Do(actions)
    if facts.machines is not None:
        decision = restore.plan(facts.machines)
        if not isinstance(decision, Done):
            return decision
    if not facts.changed:
        return Done("no restored object has changed since the export")
    return Done(f"{len(facts.changed)} objects that changed since the export are up to date on the destination")


def _correct(item: Changed, backup_id: str) -> Action | None:
    """The next action for one object, or None. New machine objects need owners: `restore.plan` creates them."""
    wanted, found = item.wanted, item.found
    resource = RESOURCES[item.kind]
    if found is None:
        creatable = wanted is not None and not item.machinery
        return Create("destination", resource, marked(wanted.body, backup_id)) if creatable and wanted else None
    if not _differs(item, backup_id):
        return None
    if item.machinery and wanted is not None:
        patch = _make_patch(wanted, found, backup_id)
        return Patch("destination", resource, name_of(found), namespace_of(found), patch)
    return Delete("destination", resource, name_of(found), namespace_of(found), uid_of(found))


def _differs(item: Changed, backup_id: str) -> bool:
    if item.found is None or item.wanted is None:
        return item.found is not None
    if item.machinery:
        return bool(_make_patch(item.wanted, item.found, backup_id))
    body = item.wanted.body
    return (
        bool(differing_keys(body, item.found))
        or body.get("type") != item.found.get("type")
        or any(not read(body).items() <= read(item.found).items() for read in (annotations_of, labels_of))
    )


def _make_patch(wanted: Restorable, found: Object, backup_id: str) -> dict[str, object]:
    """Labels, annotations and spec; all other fields belong to the destination."""
    body = restore.held_body(wanted, backup_id)
    return merge_patch(_patchable(found), _patchable(body))


def _patchable(item: Object) -> dict[str, object]:
    meta = {"labels": dict(labels_of(item)), "annotations": dict(annotations_of(item))}
    return {"metadata": meta, "spec": item.get("spec") or {}}


def afterwards(facts: Facts, decision: Decision) -> Facts:
    """A deleted object is created again in the next round; a patched or created object is up to date."""
    if not isinstance(decision, Do):
        return replace(facts, machines=None)
    deleted = {(action.resource.kind, action.name) for action in decision.actions if isinstance(action, Delete)}
    items = []
    for item in facts.changed:
        is_deleted = item.found is not None and (item.kind, name_of(item.found)) in deleted
        is_written = item.wanted and (item.found is None or item.machinery)
        body = restore.held_body(item.wanted, facts.backup_id) if is_written and item.wanted else item.found
        items.append(replace(item, found=None if is_deleted else body))
    of_machines = restore.afterwards(facts.machines, decision) if facts.machines else None
    return replace(facts, changed=tuple(items), machines=of_machines)


STEP = Step(name=steps.RESTORE_CARRY_AGAIN, documented="8.6.3-3,4", observe=observe, plan=plan, afterwards=afterwards)
