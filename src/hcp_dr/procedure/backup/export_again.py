"""Looks once more after the fence: what changed between the export and the fence is written again, or stops the
relocation (rule G). The manifest then names the fence it belongs to."""

from __future__ import annotations

from dataclasses import replace

from hcp_dr.engine.step import Decision, Refuse, Step
from hcp_dr.errors import MachineUnsafe, Refused
from hcp_dr.model import Later
from hcp_dr.objects.archive import Manifest, page, path_of
from hcp_dr.objects.reading import name_of
from hcp_dr.objects.select import is_token_secret
from hcp_dr.procedure.backup import export_objects
from hcp_dr.procedure.backup.export_objects import Facts, afterwards, observe
from hcp_dr.procedure.carried import MACHINERY


def machines_changed(facts: Facts) -> str | None:
    """A Machine that came or went since the export; those are already on the destination."""
    if facts.manifest is None:
        return None
    kinds = ("Machine", "AWSMachine")
    before = {f"{kind} {entry.name}" for kind in kinds for entry in facts.manifest.of_kind(kind)}
    after = {f"{item['kind']} {name_of(item)}" for item in facts.live if item["kind"] in kinds}
    if before == after:
        return None
    return f"came: {', '.join(sorted(after - before)) or 'none'}; went: {', '.join(sorted(before - after)) or 'none'}"


_ALREADY_THERE = frozenset({"Secret", "ConfigMap", *(resource.kind for resource in MACHINERY)})


def contents_changed(facts: Facts) -> tuple[str, ...]:
    """Objects restored from the first export that are different now: a rotated authority, a changed machine. Tokens
    rotate under the pause, and are restored last."""
    if facts.manifest is None:
        return ()
    tokens = {path_of(item) for item in facts.live if item["kind"] == "Secret" and is_token_secret(item)}
    before = {entry.file: entry.sha256 for entry in facts.manifest.entries if entry.kind in _ALREADY_THERE}
    after = {entry.file: entry.sha256 for item in facts.live if (entry := page(item).entry).kind in _ALREADY_THERE}
    return tuple(
        sorted(file for file in {*before, *after} if before.get(file) != after.get(file) and file not in tokens)
    )


def plan(facts: Facts) -> Decision:
    changed = machines_changed(facts)
    if changed:
        return Refuse(
            MachineUnsafe(
                what=f"Machines changed between the export and the fence ({changed}).",
                left="The control plane stays fenced, so the hosted API is away.",
                todo="Find out who changed them; then lift the fence by hand or start over with a new BACKUP_DIR.",
            )
        )
    files = contents_changed(facts)
    if files and facts.manifest is not None and facts.manifest.fence is None:
        return Refuse(
            Refused(
                what=f"Changed since the export, so older on the destination: {', '.join(files)}.",
                left="The control plane stays fenced, so the hosted API is away.",
                todo="Lift the fence by hand, delete what was restored, and start over with a new BACKUP_DIR.",
            )
        )
    return export_objects.plan(facts)


def foresee(facts: Facts) -> Facts:
    """As if exported and fenced a moment ago."""
    for _ in range(2):
        facts = afterwards(facts, plan(facts))
    return replace(facts, fence=Later("id of the fence"), manifest=_unfenced(facts.manifest))


def _unfenced(manifest: Manifest | None) -> Manifest | None:
    return None if manifest is None else replace(manifest, fence=None)


STEP = Step(
    name="backup.export_again",
    documented="8.6.2-4",
    observe=observe,
    plan=plan,
    foresee=foresee,
    afterwards=afterwards,
)
