"""Takeover of records from a dead external-dns: deleted in one atomic batch, remembered completely, and restored by an
undo."""

from __future__ import annotations

from collections.abc import Iterable

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.engine.step import ChangeRecords, Decision, Do, Done, Refuse
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import RESUME, NotOurs
from hcp_dr.hypershift.dns.records import ADDRESSES, ownerships
from hcp_dr.hypershift.state import DNS_IMAGE, RecordImage

Image = RecordImage | None
_NONE_TAKEN = Untouched("No record was taken over.")


def list_records(records: Iterable[Record]) -> str:
    return ", ".join(f"{record.type} {record.name}" for record in records)


def records_of(image: Image) -> tuple[Record, ...]:
    return image.records if image else ()


def owner_of(image: Image) -> str:
    return image.owner if image else ""


def owners_in(image: Image) -> frozenset[str]:
    return frozenset((image.owner, *(image.orphaned or ()))) if image else frozenset()


def image_of(owner: str, records: Iterable[Record], before: Image, at: float | None = None) -> RecordImage:
    """An image of these records and those already in `before`."""
    by_place = {record.place: record for record in (*records_of(before), *records)}
    others = dict.fromkeys(claim.owner for claim in ownerships(by_place.values()) if claim.owner != owner)
    return RecordImage(owner, tuple(by_place.values()), at, orphaned=tuple(others) or None)


def at_its_places(records: Iterable[Record], image: Image) -> tuple[Record, ...]:
    """The zone's records with the name and type of a taken record, or with its name and any address type."""
    taken = {_place(record) for record in records_of(image)}
    return tuple(record for record in records if _place(record) in taken)


def _place(record: Record) -> tuple[str, str]:
    """Addresses of two types at one name always have the same owner."""
    return (record.name, "address" if record.type in ADDRESSES else record.type)


def left_alone(image: Image) -> str:
    """The state of the zone after a takeover that stops."""
    taken = records_of(image)
    return f"No record was changed except those taken before: {list_records(taken)}." if taken else _NONE_TAKEN


def take(owner: str, left: tuple[Record, ...], strangers: tuple[Record, ...], image: Image) -> Decision:
    """`left` are the owner's remaining records for the hosted cluster; `strangers` are other address records at its
    names."""
    if strangers:
        return Refuse(
            NotOurs(
                what="The hosted cluster's names have records without proof that the source owns them: "
                f"{list_records(strangers)}.",
                left=left_alone(image),
                todo="Find their owner. The destination's external-dns writes no records beside them: delete them by "
                f"hand if that is safe, then run {RESUME}.",
            )
        )
    if left:
        return Do(
            (
                DNS_IMAGE.remember(image_of(owner, left, image)),
                ChangeRecords(tuple(RecordChange("DELETE", record) for record in left)),
            )
        )
    if image:
        return Done(f"{len(records_of(image))} records were taken from owner {owner}")
    return Done("no record is at the hosted cluster's names")


def put_back(owner: str, image: Image, found: tuple[Record, ...]) -> Decision:
    """For an undo: restore exactly the taken records, all or nothing. `found` are the current records at the names."""
    taken = records_of(image)
    others = tuple(record for record in found if record not in taken)
    if others:
        return Refuse(
            NotOurs(
                what=f"The names of records taken from owner {owner} have other records now: {list_records(others)}.",
                left="These were not touched.",
                todo="Find out which client wrote them; delete them by hand if that is safe, then run the command "
                "again.",
            )
        )
    missing = tuple(record for record in taken if record not in found)
    if missing:
        return Do((ChangeRecords(tuple(RecordChange("CREATE", record) for record in missing)),))
    return Done(f"{len(taken)} taken records are in the zone again")
