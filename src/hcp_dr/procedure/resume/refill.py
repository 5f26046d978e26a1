"""Files of the backup that the folder lacks, because another machine made it: exported once more from the source, and
taken only where they are what the manifest names. Whatever the source has changed since, only the first folder has."""

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
    lacking: tuple[Entry, ...]  # of the manifest: no file, or another
    live: tuple[Page, ...]  # as they would be exported now; not looked at where nothing is lacking


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
        return Done("every file of the backup is here")
    files = some([entry.file for entry in facts.lacking])
    seen = f"not here, and changed or gone on the source: {files}"
    todo = "where a step asks for one, bring the folder of the machine that made the backup and name it with --backup"
    return Done(seen, (Check("backup_files", "warning", seen, "they were exported by another machine", todo),))


STEP = Step(name="resume.refill", documented="-", observe=observe, plan=plan)
