"""Names that are never absent: no record is deleted, but handed from one external-dns to the other.

First the TXT records are given to an owner that nobody is, and the addresses a short life. Neither external-dns touches
them then. When the destination publishes a name, its TXT record is given to the destination's owner, whose external-dns
writes its own target over the old one. Nothing here knows what external-dns writes.

Every change is a batch that supposes the records exactly as they were read. A source's external-dns that remembers for
an hour that they are its own fails to delete them: it supposes them as they were.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.engine.journal import RunState
from hcp_dr.hypershift.dns.records import Ownership, ownerships
from hcp_dr.hypershift.dns.takeover import Image, image_of, owner_of, records_of
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.state import DNS, DNS_HELD, RecordImage
from hcp_dr.model import HANDOVER

SHORT_LIFE = 10
"""Seconds: the TTL of an address while its name is on its way. An alias has none."""
_PLAIN = re.compile("[a-z0-9-]{1,56}")


def is_handed_over(memory: RunState) -> bool:
    """A lost source's names are taken, whatever was begun with them."""
    return memory.get(DNS) == HANDOVER and memory.has(DNS_HELD) and not is_lost(memory)


def holding_owner(backup_id: str) -> str:
    """The owner id under which names are held: of letters that stand for themselves in a TXT record, whatever an older
    backup is called. external-dns reads an owner up to the next comma, and so does this procedure."""
    if _PLAIN.fullmatch(backup_id):
        return f"hcp-dr-{backup_id}"
    digest = hashlib.sha256(backup_id.encode("utf-8", "surrogatepass")).hexdigest()  # a file's name may be any bytes
    return f"hcp-dr-{digest[:16]}"


def held_as(claim: Ownership, backup_id: str) -> str | None:
    """The owner as it is written, where a claim is nobody's. Older backups were held under their ids as they are."""
    older, text = f"hcp-dr-{backup_id}", "".join(claim.txt.values)
    if claim.owner == holding_owner(backup_id):
        return claim.owner
    return older if any(f"external-dns/owner={older}{end}" in text for end in (",", '"')) else None


def remembered(owner: str, records: Iterable[Record], held: Image, now: float) -> RecordImage:
    return image_of(owner, records, held, now)


def hold(records: Iterable[Record], owner: str, backup_id: str) -> tuple[RecordChange, ...]:
    """These records, which `owner` keeps, become nobody's, and short-lived."""
    changes: list[RecordChange] = []
    for record in records:
        if record.type == "TXT":
            changes += _into(record, _given(record, owner, holding_owner(backup_id)))
        elif record.ttl is not None and record.ttl > SHORT_LIFE:
            changes += _into(record, replace(record, ttl=SHORT_LIFE))
    return tuple(changes)


def give(
    records: Iterable[Record], backup_id: str, held: Image, owner: str, names: Iterable[str]
) -> tuple[RecordChange, ...]:
    """What is held of these names becomes `owner`'s. A claim whose address is gone goes: external-dns makes both
    anew, and could not beside it."""
    return _pass_on(tuple(records), backup_id, owner, held, frozenset(names))


def give_back(records: Iterable[Record], backup_id: str, held: Image) -> tuple[RecordChange, ...]:
    """For an undo: what is held is again whose it was, and lives as long."""
    records, before = tuple(records), {(record.name, record.type): record for record in records_of(held)}
    names = names_held(records, backup_id, held)
    changes = _pass_on(records, backup_id, owner_of(held), held, None)
    for record in records:
        was = before.get((record.name, record.type))
        if was is not None and record.name in names and replace(record, ttl=was.ttl) == was != record:
            changes += _into(record, was)
    return changes


def names_held(records: Iterable[Record], backup_id: str, held: Image) -> frozenset[str]:
    """The names that are nobody's. They had an address when they were held, and have one now."""
    records = tuple(records)
    claimed = {name for o in ownerships(records) if held_as(o, backup_id) for name in o.names}
    return _addresses(records_of(held)) & _addresses(records) & claimed


def not_as_before(records: Iterable[Record], held: Image) -> tuple[Record, ...]:
    """The claims, as they were before they were held, that are not there like that."""
    there = frozenset(records)
    return tuple(record for record in records_of(held) if record.type == "TXT" and record not in there)


def _pass_on(
    records: tuple[Record, ...], backup_id: str, other: str, held: Image, names: frozenset[str] | None
) -> tuple[RecordChange, ...]:
    """Of these names, or all that are held."""
    known, there = _addresses(records_of(held)), _addresses(records)
    changes: tuple[RecordChange, ...] = ()
    for claim in ownerships(records):
        about, owner = known.intersection(claim.names), held_as(claim, backup_id)
        if owner is None:
            continue
        if about and not about & there:
            changes += (RecordChange("DELETE", claim.txt),)
        elif names is None or about & names:
            changes += _into(claim.txt, _given(claim.txt, owner, other))
    return changes


def _addresses(records: Iterable[Record]) -> frozenset[str]:
    return frozenset(record.name for record in records if record.type != "TXT")


def _given(txt: Record, one: str, other: str) -> Record:
    said, says = f"external-dns/owner={one}", f"external-dns/owner={other}"
    return replace(txt, values=tuple(value.replace(said, says) for value in txt.values))


def _into(old: Record, new: Record) -> tuple[RecordChange, ...]:
    return RecordChange("DELETE", old), RecordChange("CREATE", new)
