"""Turns a manual backup into a backup of hcp-dr: stops the controllers that ignore the pause, copies the snapshot from
the documented key, which the next backup overwrites, to a separate key, and writes a manifest beside the files. The
files stay unchanged; completed objects are written to a separate folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from hcp_dr.aws.port import StoredObject
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Action, CopyObject, Decision, Do, Done, Refuse, Step, Wait, WatchTarget, WriteFile
from hcp_dr.errors import SnapshotDoubtful
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.fence.state import IGNORE_PAUSE, WRITERS
from hcp_dr.hypershift.manual_backup import folder as manual_folder
from hcp_dr.hypershift.manual_backup import judgement
from hcp_dr.hypershift.state import (
    FENCE,
    MANUAL_BACKUP,
    PAUSED_BEFORE,
    REPLICAS_BEFORE,
    UNPROVEN,
    FenceRecord,
    ManualBackup,
    PausedBefore,
)
from hcp_dr.hypershift.workloads import still_there, stop, stopping
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import POD
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import BY_HAND, COMPLETED, MANIFEST, Entry, Manifest, Page, Snapshot, page, read_manifest
from hcp_dr.objects.reading import dig, name_of

_REMOVE_BY_HAND = (
    "The source's etcd may have the only copy of some writes: hcp-dr does not remove it; 8.6.4 has to be done by hand"
)


@dataclass(frozen=True, slots=True)
class Facts(judgement.Facts):
    case: Mapping[str, Any]
    now: float
    name: str
    namespace: str  # of the control plane
    key: str  # of the snapshot's copy
    entries: tuple[Entry, ...]  # of the manual files
    copied: StoredObject | None  # under `key`
    manifest: Manifest | None
    completed: Mapping[str, bytes | None]  # the completed files, by path; None for a missing file
    remembered: ManualBackup | None


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    judged = judgement.observe(ports, case, memory)
    folder = manual_folder.read(ports.archive, case)
    return Facts(
        **{field.name: getattr(judged, field.name) for field in fields(judged)},
        case=case.to_json(),
        now=ports.now(),
        name=case.name,
        namespace=case.control_plane_namespace,
        key=case.snapshot_key,
        entries=folder.entries(judged.contents.backup),
        copied=ports.bucket.head(case.snapshot_key),
        manifest=read_manifest(ports.archive),
        completed={item.entry.file: ports.archive.read(item.entry.file) for item in complete_node_pools(judged)},
        remembered=memory.get(MANUAL_BACKUP),
    )


def complete_node_pools(facts: judgement.Facts) -> tuple[Page, ...]:
    """The NodePools without a version in the folder, completed with the version that the documented command cuts off
    (rule A8)."""
    versions = dict(facts.versions)
    pools = [
        item for item in facts.contents.backup if item["kind"] == "NodePool" and not dig(item, "status", "version")
    ]
    return tuple(_with_version(item, versions[name_of(item)]) for item in pools)


def _with_version(pool: Object, version: str) -> Page:
    completed = page({**pool, "status": {"version": version}})
    return Page(replace(completed.entry, file=f"{COMPLETED}/np-{name_of(pool)}.yaml"), completed.text)


def make_fence_id(facts: Facts) -> str:
    """A manual fence has no ID. The ETag of the uploaded snapshot stands for the ID."""
    return f"{BY_HAND}{facts.snapshot.stored.etag[:32] if facts.snapshot.stored else ''}"


def make_metadata(facts: Facts) -> dict[str, str]:
    kept, digest = facts.snapshot.kept, facts.snapshot.digest
    revision = str(kept.revision) if kept else ""
    return {"fence": make_fence_id(facts), "sha256": digest.sha256 if digest else "", "revision": revision}


def plan(facts: Facts) -> Decision:
    decision = judgement.plan(facts)
    if not isinstance(decision, Done):
        return decision
    if facts.remembered is None:
        return Do(_remember(facts))
    restless = facts.fence.named(IGNORE_PAUSE)
    if any(not item.stopped for item in restless):
        actions = stop("source", restless)
        wake = WatchTarget("source", POD, facts.namespace)
        names = ", ".join(item.name for item in restless)
        return (
            Do(actions)
            if actions
            else Wait(f"no pod of {names} is left", still_there(restless), timeouts.FENCE_PODS_GONE.seconds, wake)
        )
    pages = complete_node_pools(facts)
    writes = tuple(
        WriteFile(item.entry.file, item.text)
        for item in pages
        if facts.completed.get(item.entry.file) != item.text.encode()
    )
    if writes:
        return Do(writes)
    return _copy_snapshot(facts) or _write_manifest(facts)


def _remember(facts: Facts) -> tuple[Action, ...]:
    """The same values as in the journal of a backup by hcp-dr. The former numbers of pods are unknown."""
    stored = facts.snapshot.stored
    completeness = judgement.whole(facts)
    highly_available = facts.snapshot.members > 1
    pools = [f"NodePool/{name}" for name, _ in facts.versions]

    def guess_replicas(name: str) -> int:
        if name in IGNORE_PAUSE:
            return 0
        return 3 if highly_available and name in WRITERS else 1

    replicas = {item.name: item.replicas or guess_replicas(item.name) for item in facts.fence.watched}
    kept = facts.snapshot.kept
    return (
        PAUSED_BEFORE.remember(PausedBefore(asked=dict.fromkeys([f"HostedCluster/{facts.name}", *pools]))),
        REPLICAS_BEFORE.remember(replicas),
        FENCE.remember(
            FenceRecord(
                id=make_fence_id(facts),
                revision=kept.revision if kept else 0,
                generations=judgement.writers_of(facts.fence).generations,
                uids=judgement.writers_of(facts.fence).uids,
            )
        ),
        MANUAL_BACKUP.remember(ManualBackup(stored.modified if stored else None)),
        *(
            (
                UNPROVEN.remember(
                    f"the snapshot's completeness with all acknowledged writes ({completeness.seen}). {_REMOVE_BY_HAND}"
                ),
            )
            if completeness.verdict != "ok"
            else ()
        ),
    )


def _copy_snapshot(facts: Facts) -> Decision | None:
    source, copied = facts.snapshot.stored, facts.copied
    if copied is not None and source is not None:
        wanted = make_metadata(facts)
        if (copied.size, copied.metadata.get("sha256"), copied.metadata.get("fence")) != (
            source.size,
            wanted["sha256"],
            wanted["fence"],
        ):
            return Refuse(
                SnapshotDoubtful(
                    what=f"The object {facts.key} in bucket {facts.bucket} is not the copy of {facts.snapshot.key}.",
                    left="The object was not overwritten.",
                    todo="A new snapshot was saved under the documented key, or another client wrote this object. Take "
                    "the journal and the manifest out of the folder, and restore the folder again: the new run has "
                    "another key.",
                )
            )
        return None
    if source is None:
        return None
    return Do((CopyObject(facts.snapshot.key, facts.key, make_metadata(facts), source.etag),))


def _write_manifest(facts: Facts) -> Decision:
    manifest = _make_manifest(facts)
    known = facts.manifest
    if known is None or (known.entries, known.snapshot) != (manifest.entries, manifest.snapshot):
        return Do((WriteFile(MANIFEST, manifest.to_text()),))
    return Done(f"{len(manifest.entries)} objects of the manual backup, snapshot copied to {facts.key}")


def _make_manifest(facts: Facts) -> Manifest:
    kept, digest = facts.snapshot.kept, facts.snapshot.digest
    pages = {item.entry.key: item.entry for item in complete_node_pools(facts)}
    return Manifest(
        case=facts.case,
        made_at=facts.now,
        fence=make_fence_id(facts),
        entries=tuple(pages.get(entry.key, entry) for entry in facts.entries),
        snapshot=Snapshot(
            bucket=facts.bucket,
            key=facts.key,
            size=digest.size if digest else 0,
            sha256=digest.sha256 if digest else "",
            hash=kept.hash if kept else "",
            revision=kept.revision if kept else 0,
            total_keys=kept.total_keys if kept else 0,
            fence=make_fence_id(facts),
            etag=facts.copied.etag if facts.copied else None,
        ),
    )


def afterwards(facts: Facts, decision: Decision) -> Facts:
    if facts.remembered is None:
        return replace(facts, remembered=ManualBackup())
    restless = facts.fence.named(IGNORE_PAUSE)
    if any(not item.stopped for item in restless):
        stopped = {item.name: item for item in stopping(restless)}
        items = tuple(stopped.get(item.name, item) for item in facts.fence.workloads)
        return replace(facts, fence=replace(facts.fence, workloads=items))
    texts = {item.entry.file: item.text.encode() for item in complete_node_pools(facts)}
    if dict(facts.completed) != texts:
        return replace(facts, completed=texts)
    if facts.copied is None and facts.snapshot.stored is not None:
        return replace(facts, copied=replace(facts.snapshot.stored, key=facts.key, metadata=make_metadata(facts)))
    return replace(facts, manifest=_make_manifest(facts))


STEP = Step(
    name=steps.BY_HAND_ACCEPT_BACKUP,
    documented="8.6.2",
    observe=observe,
    plan=plan,
    waits=(timeouts.FENCE_PODS_GONE,),
    afterwards=afterwards,
)
