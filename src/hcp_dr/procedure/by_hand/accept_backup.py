"""Makes a backup that was made by hand one of ours: what pays no heed to the pause is stopped too, the snapshot is
copied from the documented key, which the next backup overwrites, to a key of its own, and a manifest is written beside
the files. The files stay as they are; what has to be completed is written to a folder of its own."""

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

_BY_YOU = "The source's etcd may hold what is nowhere else: hcp-dr does not remove it, 8.6.4 by hand is left to you"


@dataclass(frozen=True, slots=True)
class Facts(judgement.Facts):
    case: Mapping[str, Any]
    now: float
    name: str
    namespace: str  # of the control plane
    key: str  # where the snapshot is copied to
    entries: tuple[Entry, ...]  # of the files made by hand
    there: StoredObject | None  # at `key`
    manifest: Manifest | None
    completed: Mapping[str, bytes | None]  # the files that were completed, by path; None while one is not there
    remembered: ManualBackup | None


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    seen = judgement.observe(ports, case, memory)
    folder = manual_folder.read(ports.archive, case)
    return Facts(
        **{each.name: getattr(seen, each.name) for each in fields(seen)},
        case=case.to_json(),
        now=ports.now(),
        name=case.name,
        namespace=case.control_plane_namespace,
        key=case.snapshot_key,
        entries=folder.entries(seen.contents.backup),
        there=ports.bucket.head(case.snapshot_key),
        manifest=read_manifest(ports.archive),
        completed={item.entry.file: ports.archive.read(item.entry.file) for item in completed(seen)},
        remembered=memory.get(MANUAL_BACKUP),
    )


def completed(facts: judgement.Facts) -> tuple[Page, ...]:
    """The NodePools with the version that the documented command cuts off, where the folder has none (rule A8)."""
    versions = dict(facts.versions)
    pools = [
        item for item in facts.contents.backup if item["kind"] == "NodePool" and not dig(item, "status", "version")
    ]
    return tuple(_with_version(item, versions[name_of(item)]) for item in pools)


def _with_version(pool: Object, version: str) -> Page:
    whole = page({**pool, "status": {"version": version}})
    return Page(replace(whole.entry, file=f"{COMPLETED}/np-{name_of(pool)}.yaml"), whole.text)


def fence_id(facts: Facts) -> str:
    """A fence that was made by hand has no name. The object that was saved under it has an ETag."""
    return f"{BY_HAND}{facts.snapshot.stored.etag[:32] if facts.snapshot.stored else ''}"


def metadata(facts: Facts) -> dict[str, str]:
    kept, digest = facts.snapshot.kept, facts.snapshot.digest
    revision = str(kept.revision) if kept else ""
    return {"fence": fence_id(facts), "sha256": digest.sha256 if digest else "", "revision": revision}


def plan(facts: Facts) -> Decision:
    decision = judgement.plan(facts)
    if not isinstance(decision, Done):
        return decision
    if facts.remembered is None:
        return Do(_remembered(facts))
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
    pages = completed(facts)
    writing = tuple(
        WriteFile(item.entry.file, item.text)
        for item in pages
        if facts.completed.get(item.entry.file) != item.text.encode()
    )
    if writing:
        return Do(writing)
    return _copied(facts) or _written(facts)


def _remembered(facts: Facts) -> tuple[Action, ...]:
    """What the journal of a backup of ours would hold. Nobody knows any more how many pods there were."""
    stored = facts.snapshot.stored
    whole = judgement.whole(facts)
    three = facts.snapshot.members > 1
    pools = [f"NodePool/{name}" for name, _ in facts.versions]
    replicas = {
        item.name: item.replicas or (0 if item.name in IGNORE_PAUSE else 3 if three and item.name in WRITERS else 1)
        for item in facts.fence.watched
    }
    kept = facts.snapshot.kept
    return (
        PAUSED_BEFORE.remember(PausedBefore(asked=dict.fromkeys([f"HostedCluster/{facts.name}", *pools]))),
        REPLICAS_BEFORE.remember(replicas),
        FENCE.remember(
            FenceRecord(
                id=fence_id(facts),
                revision=kept.revision if kept else 0,
                generations=judgement.writers_of(facts.fence).generations,
                uids=judgement.writers_of(facts.fence).uids,
            )
        ),
        MANUAL_BACKUP.remember(ManualBackup(stored.modified if stored else None)),
        *(
            (UNPROVEN.remember(f"that the snapshot holds all that was acknowledged ({whole.seen}). {_BY_YOU}"),)
            if whole.verdict != "ok"
            else ()
        ),
    )


def _copied(facts: Facts) -> Decision | None:
    source, there = facts.snapshot.stored, facts.there
    if there is not None and source is not None:
        wanted = metadata(facts)
        if (there.size, there.metadata.get("sha256"), there.metadata.get("fence")) != (
            source.size,
            wanted["sha256"],
            wanted["fence"],
        ):
            return Refuse(
                SnapshotDoubtful(
                    what=f"The object {facts.key} in bucket {facts.bucket} is not the copy of {facts.snapshot.key}.",
                    left="It was not overwritten.",
                    todo="Somebody saved anew under the documented key, or wrote this one. Take the journal and the "
                    "manifest out of the folder, and restore it again: the new run has a key of its own.",
                )
            )
        return None
    if source is None:
        return None
    return Do((CopyObject(facts.snapshot.key, facts.key, metadata(facts), source.etag),))


def _written(facts: Facts) -> Decision:
    manifest = _manifest(facts)
    known = facts.manifest
    if known is None or (known.entries, known.snapshot) != (manifest.entries, manifest.snapshot):
        return Do((WriteFile(MANIFEST, manifest.to_text()),))
    return Done(f"{len(manifest.entries)} objects made by hand, snapshot copied to {facts.key}")


def _manifest(facts: Facts) -> Manifest:
    kept, digest = facts.snapshot.kept, facts.snapshot.digest
    pages = {item.entry.key: item.entry for item in completed(facts)}
    return Manifest(
        case=facts.case,
        made_at=facts.now,
        fence=fence_id(facts),
        entries=tuple(pages.get(entry.key, entry) for entry in facts.entries),
        snapshot=Snapshot(
            bucket=facts.bucket,
            key=facts.key,
            size=digest.size if digest else 0,
            sha256=digest.sha256 if digest else "",
            hash=kept.hash if kept else "",
            revision=kept.revision if kept else 0,
            total_keys=kept.total_keys if kept else 0,
            fence=fence_id(facts),
            etag=facts.there.etag if facts.there else None,
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
    texts = {item.entry.file: item.text.encode() for item in completed(facts)}
    if dict(facts.completed) != texts:
        return replace(facts, completed=texts)
    if facts.there is None and facts.snapshot.stored is not None:
        return replace(facts, there=replace(facts.snapshot.stored, key=facts.key, metadata=metadata(facts)))
    return replace(facts, manifest=_manifest(facts))


STEP = Step(
    name=steps.BY_HAND_ACCEPT_BACKUP,
    documented="8.6.2",
    observe=observe,
    plan=plan,
    waits=(timeouts.FENCE_PODS_GONE,),
    afterwards=afterwards,
)
