"""The export: writes every object that moves into the backup folder, in the documented layout, with a manifest.
`backup.export_objects` makes it before the fence, `backup.export_again` brings it up to date after the fence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Action, Check, Decision, Do, Done, Refuse, WriteFile
from hcp_dr.errors import RESUME, ArchiveError, HcpDrError
from hcp_dr.hypershift import inventory
from hcp_dr.hypershift.state import FENCE
from hcp_dr.kube.port import Object
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import MANIFEST, Entry, Manifest, Page, page, path_of, read_manifest, sha256_of
from hcp_dr.objects.closing import describe_not_carried, unaccounted, unwritten
from hcp_dr.objects.reading import dig, is_deleting, name_of, some
from hcp_dr.upstream import ANCHORS, AUTHORITIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    case: Mapping[str, Any]
    now: float
    fence: str | None  # remembered; None before the fence
    live: tuple[Object, ...]
    written: Mapping[str, str]  # sha256 of the existing files, by path
    manifest: Manifest | None
    folder: str
    aside: tuple[Object, ...] = ()  # further objects in the control plane namespace, of the kinds that move


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    live, aside = inventory.read_inventory_and_rest(ports.source, case)
    written = {}
    for item in live:
        path = path_of(item)
        data = ports.archive.read(path)
        if data is not None:
            written[path] = sha256_of(data)
    return Facts(
        case=case.to_json(),
        now=ports.now(),
        fence=fence.id if (fence := memory.get(FENCE)) else None,
        live=live,
        written=written,
        manifest=read_manifest(ports.archive),
        folder=ports.archive.folder,
        aside=aside,
    )


def problem(live: Iterable[Object], folder: str) -> HcpDrError | None:
    """The reason why a backup is useless: an empty kind, a missing anchor of trust, an object being deleted, an
    authority without its key (rule B1)."""
    live = tuple(live)
    for kind in inventory.REQUIRED_KINDS:
        if not any(item["kind"] == kind for item in live):
            return ArchiveError(
                folder=folder,
                reason=f"no {kind} of this hosted cluster was found, and an empty discovery is no backup",
                todo="Check HC_CLUSTER_NS, HC_CLUSTER_NAME and the permissions of the kubeconfig.",
            )
    secrets = {name_of(item) for item in live if item["kind"] == "Secret"}
    missing = [name for name in ANCHORS if name not in secrets]
    if missing:
        return ArchiveError(
            folder=folder,
            reason=f"no Secret {', '.join(missing)} is in the control plane namespace; a new one would be created",
            todo="Restore the Secret first.",
        )
    for item in live:
        if is_deleting(item):
            return ArchiveError(
                folder=folder,
                reason=f"{item['kind']} {name_of(item)} is being deleted, and a restored deletion terminates instances",
                todo=f"Let the deletion end, then run {RESUME}. It does not end while the hosted cluster is paused.",
            )
        if item["kind"] == "Secret" and name_of(item) in AUTHORITIES:
            data = dig(item, "data") or {}
            if not (data.get("ca.crt") and data.get("ca.key")):
                return ArchiveError(
                    folder=folder,
                    reason=f"Secret {name_of(item)} has no ca.crt with ca.key; a new authority would be created",
                    todo="Restore the Secret first.",
                )
    return None


def plan(facts: Facts) -> Decision:
    error = problem(facts.live, facts.folder) or _unaccounted(facts)
    if error is not None:
        return Refuse(error)
    pages = tuple(page(item) for item in facts.live)
    actions: tuple[Action, ...] = tuple(
        WriteFile(item.entry.file, item.text)
        for item in pages
        if facts.written.get(item.entry.file) != item.entry.sha256
    )
    if actions:
        return Do(actions)
    if facts.manifest is None or not _is_same(facts.manifest, pages, facts.fence):
        return Do((WriteFile(MANIFEST, _manifest(facts, pages).to_text()),))
    missing = unwritten(facts.live, facts.manifest.entries)
    if missing:
        return Refuse(ArchiveError(folder=facts.folder, reason=f"found, but missing in its manifest: {some(missing)}"))
    check = Check(
        "selection", "ok", f"{len(pages)} objects are exported; not: {describe_not_carried(facts.aside) or 'none'}"
    )
    return Done(f"{len(pages)} objects are in {facts.folder}", (check,))


def _unaccounted(facts: Facts) -> ArchiveError | None:
    unknown = unaccounted(facts.aside)
    if not unknown:
        return None
    return ArchiveError(
        folder=facts.folder,
        reason=f"in the control plane namespace, neither this hosted cluster's nor a known leftover: {some(unknown)}",
        todo=f"Find their owner: teardown deletes that namespace. Move or label them, then run {RESUME}.",
    )


def _manifest(facts: Facts, pages: tuple[Page, ...]) -> Manifest:
    return Manifest(facts.case, facts.now, facts.fence, tuple(item.entry for item in pages))


def _is_same(manifest: Manifest, pages: tuple[Page, ...], fence: str | None) -> bool:
    """Same objects, same content; a resourceVersion changed by a status alone does not count."""
    return manifest.fence == fence and {_key(e) for e in manifest.entries} == {_key(item.entry) for item in pages}


def _key(entry: Entry) -> tuple[str, str, str]:
    return (entry.file, entry.sha256, entry.uid)


def afterwards(facts: Facts, decision: Decision) -> Facts:
    pages = tuple(page(item) for item in facts.live)
    written = {item.entry.file: item.entry.sha256 for item in pages}
    if facts.written != written:
        return replace(facts, written=written)
    return replace(facts, manifest=_manifest(facts, pages))
