"""What Route53 does with a change batch, as a pure function.

The AWS simulator takes a second CNAME for a name, deletes a record whose value was changed meanwhile, and stops in the
middle of a bad batch. A relocation is safe only because the real service does none of this, so the rules are here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Action = Literal["CREATE", "DELETE", "UPSERT"]
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class RecordSet:
    """`name` is lower case and ends with a dot. `rest` holds what routing policies add (Weight, AliasTarget, ...)."""

    name: str
    type: str
    ttl: int | None = None
    values: tuple[str, ...] = ()
    set_identifier: str = ""
    rest: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> Key:
        return (self.name, self.type, self.set_identifier)

    @property
    def told(self) -> str:
        return f"[name='{self.name}', type='{self.type}']"


@dataclass(frozen=True, slots=True)
class Change:
    action: Action
    record_set: RecordSet


class InvalidChangeBatchError(Exception):
    """Nothing of the batch was done. `problems` has one sentence for each change that is not allowed."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"[{', '.join(self.problems)}]")


def full_name(name: str) -> str:
    return name.lower().rstrip(".") + "."


def parse_change(change: Mapping[str, Any]) -> Change:
    """From the request's own form."""
    body = change["ResourceRecordSet"]
    known = {"Name", "Type", "TTL", "ResourceRecords", "SetIdentifier"}
    return Change(
        change["Action"],
        RecordSet(
            name=full_name(body["Name"]),
            type=body["Type"],
            ttl=None if body.get("TTL") is None else int(body["TTL"]),
            values=tuple(record["Value"] for record in body.get("ResourceRecords") or ()),
            set_identifier=body.get("SetIdentifier") or "",
            rest=tuple(sorted((key, str(value)) for key, value in body.items() if key not in known)),
        ),
    )


def changed(zone: str, records: Iterable[RecordSet], changes: Sequence[Change]) -> dict[Key, RecordSet]:
    """The records of the zone after the batch. Raises InvalidChangeBatchError, and then nothing of it counts."""
    after = {record.key: record for record in records}
    problems = []
    for change in changes:
        problem = _problem(full_name(zone), after, change)
        if problem:
            problems.append(problem)
        elif change.action == "DELETE":
            del after[change.record_set.key]
        else:
            after[change.record_set.key] = change.record_set
    if problems:
        raise InvalidChangeBatchError(problems)
    return after


def _problem(zone: str, records: Mapping[Key, RecordSet], change: Change) -> str | None:
    wanted = change.record_set
    if wanted.name != zone and not wanted.name.endswith("." + zone):
        return f"RRSet with DNS name {wanted.name} is not permitted in zone {zone}"
    present = records.get(wanted.key)
    if change.action == "DELETE":
        return _problem_of_delete(zone, wanted, present)
    if change.action == "CREATE" and present is not None:
        return f"Tried to create resource record set {wanted.told} but it already exists"
    return _problem_beside_others(zone, records, wanted)


def _problem_of_delete(zone: str, wanted: RecordSet, present: RecordSet | None) -> str | None:
    if wanted.name == zone and wanted.type in {"NS", "SOA"}:
        return f"A HostedZone must contain its {wanted.type} record"
    if present is None:
        return f"Tried to delete resource record set {wanted.told} but it was not found"
    same = (present.ttl, sorted(present.values), present.rest) == (wanted.ttl, sorted(wanted.values), wanted.rest)
    if not same:
        return (
            f"Tried to delete resource record set {wanted.told} but the values provided do not match the current values"
        )
    return None


def _problem_beside_others(zone: str, records: Mapping[Key, RecordSet], wanted: RecordSet) -> str | None:
    """A CNAME stands alone at its name, and never at the zone's own."""
    if wanted.type == "CNAME" and wanted.name == zone:
        return f"RRSet of type CNAME with DNS name {wanted.name} is not permitted at apex in zone {zone}"
    types = {type_ for name, type_, _ in records if name == wanted.name and type_ != wanted.type}
    if types and (wanted.type == "CNAME" or "CNAME" in types):
        return (
            f"RRSet of type {wanted.type} with DNS name {wanted.name} is not permitted as it conflicts with other "
            f"records with the same DNS name in zone {zone}"
        )
    return None
