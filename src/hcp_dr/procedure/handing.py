"""Names that are never absent: no record is deleted, but handed from one external-dns to the other.

First the TXT records are given to an owner that nobody is, and the addresses a short life. Neither external-dns touches
them then. When the destination publishes a name, its TXT record is given to the destination's owner, whose external-dns
writes its own target over the old one. Nothing here knows what external-dns writes.

Every change is a batch that supposes the records exactly as they were read. A source's external-dns that remembers for
an hour that they are its own fails to delete them: it supposes them as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.engine.journal import Memory
from hcp_dr.model import DNS, HANDOVER
from hcp_dr.procedure.lost import is_lost
from hcp_dr.procedure.records import from_json, ownerships, to_json

HELD = "dns_held"
"""Remembered: the owner that kept them, the records as they were, and when they were last held."""
SHORT_LIFE = 10
"""Seconds: the TTL of an address while its name is on its way. An alias has none."""

Held = Mapping[str, Any] | None


def is_handed_over(memory: Memory) -> bool:
    """A lost source's names are taken, whatever was begun with them."""
    return memory.text(DNS) == HANDOVER and HELD in memory.values and not is_lost(memory)


def nobody(backup_id: str) -> str:
    """The owner id under which names are held."""
    return f"hcp-dr-{backup_id}"


def owner_before(held: Held) -> str:
    return str((held or {}).get("owner") or "")


def records_before(held: Held) -> tuple[Record, ...]:
    return tuple(from_json(value) for value in (held or {}).get("records", ()))


def remembered(owner: str, records: Iterable[Record], held: Held, now: float) -> dict[str, Any]:
    """With these records, and those that were held before."""
    whole = {(record.name, record.type): record for record in (*records_before(held), *records)}
    return {"owner": owner, "records": [to_json(record) for record in whole.values()], "at": now}


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
    records: Iterable[Record], backup_id: str, held: Held, owner: str, names: Iterable[str]
) -> tuple[RecordChange, ...]:
    """What is held of these names becomes `owner`'s. The claim of a name whose address is gone goes too: external-dns
    makes both anew, and could not beside it."""
    return _pass_on(tuple(records), nobody(backup_id), owner, held, frozenset(names))


def give_back(records: Iterable[Record], backup_id: str, held: Held) -> tuple[RecordChange, ...]:
    """For an undo: what is held is again whose it was, and lives as long."""
    records, before = tuple(records), {(record.name, record.type): record for record in records_before(held)}
    names = names_held(records, backup_id, held)
    changes = _pass_on(records, nobody(backup_id), owner_before(held), held, None)
    for record in records:
        was = before.get((record.name, record.type))
        if was is not None and record.name in names and replace(record, ttl=was.ttl) == was != record:
            changes += _into(record, was)
    return changes


def names_held(records: Iterable[Record], backup_id: str, held: Held) -> frozenset[str]:
    """The names with an address, when they were held, that are nobody's now."""
    claims = (o for o in ownerships(records) if o.owner == nobody(backup_id))
    return _addresses(records_before(held)).intersection(name for o in claims for name in o.names)


def _pass_on(
    records: tuple[Record, ...], one: str, other: str, held: Held, names: frozenset[str] | None
) -> tuple[RecordChange, ...]:
    """Of these names, or all that `one` claims."""
    known, there = _addresses(records_before(held)), _addresses(records)
    changes: tuple[RecordChange, ...] = ()
    for claim in ownerships(records):
        about = known.intersection(claim.names)
        if claim.owner == one and (names is None or about & names):
            given = _into(claim.txt, _given(claim.txt, one, other))
            changes += given if not about or about & there else given[:1]
    return changes


def _addresses(records: Iterable[Record]) -> frozenset[str]:
    return frozenset(record.name for record in records if record.type != "TXT")


def _given(txt: Record, one: str, other: str) -> Record:
    said, says = f"external-dns/owner={one}", f"external-dns/owner={other}"
    return replace(txt, values=tuple(value.replace(said, says) for value in txt.values))


def _into(old: Record, new: Record) -> tuple[RecordChange, ...]:
    return RecordChange("DELETE", old), RecordChange("CREATE", new)
