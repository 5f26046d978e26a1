"""Names that are never absent: no record is deleted, but handed from one external-dns to the other.

First the TXT records are given to an owner that nobody is, and the addresses a short life. Neither external-dns touches
them then. When the destination publishes a name, its TXT record is given to the destination's owner, whose external-dns
writes its own target over the old one. Nothing here knows what external-dns writes.

Every change is a batch that supposes the records exactly as they were read. A source's external-dns that remembers for
an hour that they are its own fails to delete them: it supposes them as they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.engine.journal import Memory
from hcp_dr.model import DNS, HANDOVER
from hcp_dr.procedure.lost import is_lost
from hcp_dr.procedure.records import ownerships
from hcp_dr.procedure.taking import Image, image_of, owner_of, records_of

HELD = "dns_held"
"""Remembered: the owner that kept them, the records as they were, and when they were last held."""
SHORT_LIFE = 10
"""Seconds: the TTL of an address while its name is on its way. An alias has none."""


def is_handed_over(memory: Memory) -> bool:
    """A lost source's names are taken, whatever was begun with them."""
    return memory.text(DNS) == HANDOVER and HELD in memory.values and not is_lost(memory)


def nobody(backup_id: str) -> str:
    """The owner id under which names are held."""
    return f"hcp-dr-{backup_id}"


def remembered(owner: str, records: Iterable[Record], held: Image, now: float) -> dict[str, Any]:
    return {**image_of(owner, records, held), "at": now}


def hold(records: Iterable[Record], owner: str, backup_id: str) -> tuple[RecordChange, ...]:
    """These records, which `owner` keeps, become nobody's, and short-lived."""
    changes: list[RecordChange] = []
    for record in records:
        if record.type == "TXT":
            changes += _into(record, _given(record, owner, nobody(backup_id)))
        elif record.ttl is not None and record.ttl > SHORT_LIFE:
            changes += _into(record, replace(record, ttl=SHORT_LIFE))
    return tuple(changes)


def give(
    records: Iterable[Record], backup_id: str, held: Image, owner: str, names: Iterable[str]
) -> tuple[RecordChange, ...]:
    """What is held of these names becomes `owner`'s. A claim whose address is gone goes: external-dns makes both
    anew, and could not beside it."""
    return _pass_on(tuple(records), nobody(backup_id), owner, held, frozenset(names))


def give_back(records: Iterable[Record], backup_id: str, held: Image) -> tuple[RecordChange, ...]:
    """For an undo: what is held is again whose it was, and lives as long."""
    records, before = tuple(records), {(record.name, record.type): record for record in records_of(held)}
    names = names_held(records, backup_id, held)
    changes = _pass_on(records, nobody(backup_id), owner_of(held), held, None)
    for record in records:
        was = before.get((record.name, record.type))
        if was is not None and record.name in names and replace(record, ttl=was.ttl) == was != record:
            changes += _into(record, was)
    return changes


def names_held(records: Iterable[Record], backup_id: str, held: Image) -> frozenset[str]:
    """The names that are nobody's. They had an address when they were held, and have one now."""
    records = tuple(records)
    claimed = {name for o in ownerships(records) if o.owner == nobody(backup_id) for name in o.names}
    return _addresses(records_of(held)) & _addresses(records) & claimed


def _pass_on(
    records: tuple[Record, ...], one: str, other: str, held: Image, names: frozenset[str] | None
) -> tuple[RecordChange, ...]:
    """Of these names, or all that `one` claims."""
    known, there = _addresses(records_of(held)), _addresses(records)
    changes: tuple[RecordChange, ...] = ()
    for claim in ownerships(records):
        about = known.intersection(claim.names)
        if claim.owner != one:
            continue
        if about and not about & there:
            changes += (RecordChange("DELETE", claim.txt),)
        elif names is None or about & names:
            changes += _into(claim.txt, _given(claim.txt, one, other))
    return changes


def _addresses(records: Iterable[Record]) -> frozenset[str]:
    return frozenset(record.name for record in records if record.type != "TXT")


def _given(txt: Record, one: str, other: str) -> Record:
    said, says = f"external-dns/owner={one}", f"external-dns/owner={other}"
    return replace(txt, values=tuple(value.replace(said, says) for value in txt.values))


def _into(old: Record, new: Record) -> tuple[RecordChange, ...]:
    return RecordChange("DELETE", old), RecordChange("CREATE", new)
