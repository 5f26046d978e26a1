"""Restores backup files that are missing in the folder, because the backup is from another machine: exports the objects
from the source again, and writes a file only if its digest is the digest in the manifest. The former content of objects
that changed since is only in the folder of the other machine."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Do, Done, Step, WriteFile
from hcp_dr.errors import NotFound
from hcp_dr.hypershift import inventory
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import Entry, Page, page, read_manifest, sha256_of
from hcp_dr.objects.reading import some


@dataclass(frozen=True, slots=True)
class Facts:
    lacking: tuple[Entry, ...]  # entries of the manifest with no file, or another file
    live: tuple[Page, ...]  # a new export; not read if no file is lacking


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    manifest = read_manifest(ports.archive)
    lacking = []
    for entry in manifest.entries if manifest else ():
        data = ports.archive.read(entry.file)
        if data is None or sha256_of(data) != entry.sha256:
            lacking.append(entry)
    if not lacking:
        return Facts((), ())
    if is_lost(memory):
        return Facts(tuple(lacking), ())
    try:
        live = inventory.read_inventory(ports.source, case)
    except NotFound:
        live = ()
    return Facts(tuple(lacking), tuple(page(item) for item in live))


def plan(facts: Facts) -> Decision:
    live = {item.entry.file: item for item in facts.live}
    writes = tuple(
        WriteFile(entry.file, live[entry.file].text)
        for entry in facts.lacking
        if entry.file in live and live[entry.file].entry.sha256 == entry.sha256
    )
    if writes:
        return Do(writes)
    if not facts.lacking:
        return Done("the backup folder has every file")
    files = some([entry.file for entry in facts.lacking])
    seen = f"missing in the backup folder, and changed or deleted on the source: {files}"
    why = "another machine exported these files"
    todo = "if a step needs a file, copy the folder from the machine of the backup and pass --backup FOLDER"
    return Done(seen, (Check("backup_files", "warning", seen, why, todo),))


STEP = Step(name="resume.refill", documented="-", observe=observe, plan=plan)
