"""Records are taken from an external-dns that is dead: deleted in one atomic batch, remembered whole, and put back by
an undo."""

from __future__ import annotations

from collections.abc import Iterable

from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.engine.step import ChangeRecords, Decision, Do, Done, Refuse
from hcp_dr.engine.untouched import Untouched
from hcp_dr.errors import RESUME, NotOurs
from hcp_dr.hypershift.dns.records import ADDRESSES
from hcp_dr.hypershift.state import DNS_IMAGE, RecordImage

Image = RecordImage | None
_NONE_TAKEN = Untouched("No record was taken over.")


def list_records(records: Iterable[Record]) -> str:
    return ", ".join(f"{record.type} {record.name}" for record in records)


def records_of(image: Image) -> tuple[Record, ...]:
    return image.records if image else ()


def owner_of(image: Image) -> str:
    return image.owner if image else ""


def image_of(owner: str, records: Iterable[Record], before: Image, at: float | None = None) -> RecordImage:
    """With these records, and those that it held before."""
    whole = {(record.name, record.type): record for record in (*records_of(before), *records)}
    return RecordImage(owner, tuple(whole.values()), at)


def at_its_places(records: Iterable[Record], image: Image) -> tuple[Record, ...]:
    """What of the zone's records has the name of one that was taken, and its type, or is an address as it was."""
    taken = {_place(record) for record in records_of(image)}
    return tuple(record for record in records if _place(record) in taken)


def _place(record: Record) -> tuple[str, str]:
    """No two kinds of address are at one name, unless one owner keeps them both."""
    return (record.name, "address" if record.type in ADDRESSES else record.type)


def left_alone(image: Image) -> str:
    """How the zone is left by a takeover that stops."""
    taken = records_of(image)
    return f"No record was touched but those that were taken before: {list_records(taken)}." if taken else _NONE_TAKEN


def take(owner: str, left: tuple[Record, ...], strangers: tuple[Record, ...], image: Image) -> Decision:
    """`left` is what the owner keeps for the hosted cluster; `strangers` are address records at its names that are not
    among it."""
    if strangers:
        return Refuse(
            NotOurs(
                what="At the hosted cluster's names are records of which nothing says that the source kept them for "
                f"it: {list_records(strangers)}.",
                left=left_alone(image),
                todo="Find out whose they are. The destination's external-dns writes none beside them: delete them by "
                f"hand if they may go, then run {RESUME}.",
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
    """For an undo: exactly what was taken is put back, all or nothing. `found` is what is at those names now."""
    taken = records_of(image)
    others = tuple(record for record in found if record not in taken)
    if others:
        return Refuse(
            NotOurs(
                what=f"Where records were taken from owner {owner} there are others now: {list_records(others)}.",
                left="They were not touched.",
                todo="Find out who wrote them; delete them by hand if they may go, then run the command again.",
            )
        )
    missing = tuple(record for record in taken if record not in found)
    if missing:
        return Do((ChangeRecords(tuple(RecordChange("CREATE", record) for record in missing)),))
    return Done(f"{len(taken)} records that were taken are there as they were")
