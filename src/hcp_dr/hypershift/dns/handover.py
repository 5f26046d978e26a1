"""Handover of DNS names that are never absent: no record is deleted; the ownership moves between two external-dns.

First the TXT records get an owner ID that no external-dns uses, and the addresses a short TTL. Neither external-dns
touches the records then. Once the destination publishes a name, its TXT record gets the destination's owner ID, and the
destination's external-dns replaces the old target. This module does not depend on the targets written by external-dns.

Every change is a batch on condition that the records are exactly as read. A source's external-dns that caches its
ownership for an hour fails to delete them: its request expects the old records.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.engine.journal import RunState
from hcp_dr.hypershift.dns.records import HOLDER, Ownership, ownerships
from hcp_dr.hypershift.dns.takeover import Image, image_of, owner_of, records_of
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.state import DNS, DNS_HELD, RecordImage
from hcp_dr.model import HANDOVER

SHORT_LIFE = 10
"""Seconds: the TTL of an address during the handover of its name. An alias has none."""
_PLAIN = re.compile("[a-z0-9-]{1,56}")


def is_handed_over(memory: RunState) -> bool:
    """The names of a lost source are taken over, even if their handover had begun."""
    return memory.get(DNS) == HANDOVER and memory.has(DNS_HELD) and not is_lost(memory)


def holding_owner(backup_id: str) -> str:
    """The owner ID of held names: of letters without escapes in a TXT record, for any name of an older backup.
    external-dns reads an owner up to the next comma, and so does this procedure."""
    if _PLAIN.fullmatch(backup_id):
        return f"{HOLDER}{backup_id}"
    digest = hashlib.sha256(backup_id.encode("utf-8", "surrogatepass")).hexdigest()  # a file's name may be any bytes
    return f"{HOLDER}{digest[:16]}"


def held_as(claim: Ownership, backup_id: str) -> str | None:
    """The owner as written in a held claim, else None. Older backups held names under their ids as they are."""
    older, text = f"{HOLDER}{backup_id}", "".join(claim.txt.values)
    if claim.owner == holding_owner(backup_id):
        return claim.owner
    return older if any(f"external-dns/owner={older}{end}" in text for end in (",", '"')) else None


def remembered(owner: str, records: Iterable[Record], held: Image, now: float) -> RecordImage:
    return image_of(owner, records, held, now)


def hold(records: Iterable[Record], backup_id: str) -> tuple[RecordChange, ...]:
    """Give these records the holding owner, and a short TTL."""
    changes: list[RecordChange] = []
    for record in records:
        if record.type == "TXT":
            for claim in ownerships((record,)):
                changes += _replace(record, _with_owner(record, claim.owner, holding_owner(backup_id)))
        elif record.ttl is not None and record.ttl > SHORT_LIFE:
            changes += _replace(record, replace(record, ttl=SHORT_LIFE))
    return tuple(changes)


def give(
    records: Iterable[Record], backup_id: str, held: Image, owner: str, names: Iterable[str]
) -> tuple[RecordChange, ...]:
    """Give the held records of these names to `owner`. A claim without address is deleted: external-dns creates both
    again, and could not create an address beside it."""
    return _change_owner(tuple(records), backup_id, owner, held, frozenset(names))


def give_back(records: Iterable[Record], backup_id: str, held: Image) -> tuple[RecordChange, ...]:
    """For an undo: restore the original owners and TTLs."""
    records, before = tuple(records), {record.place: record for record in records_of(held)}
    names = names_held(records, backup_id, held)
    changes = _change_owner(records, backup_id, None, held, None)
    for record in records:
        was = before.get(record.place)
        if was is not None and record.name in names and replace(record, ttl=was.ttl) == was != record:
            changes += _replace(record, was)
    return changes


def names_held(records: Iterable[Record], backup_id: str, held: Image) -> frozenset[str]:
    """The held names. They had an address when they were held, and have one now."""
    records = tuple(records)
    claimed = {name for o in ownerships(records) if held_as(o, backup_id) for name in o.names}
    return _addresses(records_of(held)) & _addresses(records) & claimed


def not_as_before(records: Iterable[Record], held: Image) -> tuple[Record, ...]:
    """The original claims that are not in the zone unchanged."""
    current = frozenset(records)
    return tuple(record for record in records_of(held) if record.type == "TXT" and record not in current)


def _change_owner(
    records: tuple[Record, ...], backup_id: str, new_owner: str | None, held: Image, names: frozenset[str] | None
) -> tuple[RecordChange, ...]:
    """Changes for these names, or for all held names if None. Without a new owner each record gets its former owner."""
    former = {claim.txt.place: claim.owner for claim in ownerships(records_of(held))}
    known, present = _addresses(records_of(held)), _addresses(records)
    changes: tuple[RecordChange, ...] = ()
    for claim in ownerships(records):
        about, owner = known.intersection(claim.names), held_as(claim, backup_id)
        if owner is None:
            continue
        if about and not about & present:
            changes += (RecordChange("DELETE", claim.txt),)
        elif names is None or about & names:
            next_owner = new_owner or former.get(claim.txt.place, owner_of(held))
            changes += _replace(claim.txt, _with_owner(claim.txt, owner, next_owner))
    return changes


def _addresses(records: Iterable[Record]) -> frozenset[str]:
    return frozenset(record.name for record in records if record.type != "TXT")


def _with_owner(txt: Record, old_owner: str, new_owner: str) -> Record:
    old_text, new_text = f"external-dns/owner={old_owner}", f"external-dns/owner={new_owner}"
    return replace(txt, values=tuple(value.replace(old_text, new_text) for value in txt.values))


def _replace(old: Record, new: Record) -> tuple[RecordChange, ...]:
    return RecordChange("DELETE", old), RecordChange("CREATE", new)
