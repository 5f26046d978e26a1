"""Route53's handling of a change batch, as a pure function.

The AWS simulator accepts a second CNAME for a name, deletes a record with a different current value, stops in the
middle of an invalid batch, and accepts batches of any size. The real service does not, and relocations depend on this
for their safety. So the rules are here, for the region and for the tabletop.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

MAX_VALUES = 1000
MAX_CHARACTERS = 32_000
"""Limit of one batch; characters of an UPSERT count twice (Route53 developer guide, quotas on
ChangeResourceRecordSets)."""

Action = Literal["CREATE", "DELETE", "UPSERT"]
Place = tuple[str, str, str]
Zone = Mapping[str, Mapping[tuple[str, str], "RecordSet"]]
"""The record sets of one zone: by name, then by type and set identifier."""


@dataclass(frozen=True, slots=True)
class RecordSet:
    """`name` is lower case and ends with a dot. `alias` is zone id, name, and whether the target's health is evaluated.
    `rest` has the fields of routing policies (Weight, Failover, ...)."""

    name: str
    type: str
    ttl: int | None = None
    values: tuple[str, ...] = ()
    set_identifier: str = ""
    alias: tuple[str, str, bool] | None = None
    rest: tuple[tuple[str, str], ...] = ()

    @property
    def wire_name(self) -> str:
        """The name in Route53's format."""
        return escaped(self.name)

    @property
    def description(self) -> str:
        return f"[name='{self.name}', type='{self.type}']"


@dataclass(frozen=True, slots=True)
class Change:
    action: Action
    record_set: RecordSet


class InvalidChangeBatchError(Exception):
    """The whole batch was rejected. `problems` has one sentence for each invalid change."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"[{', '.join(self.problems)}]")


_ESCAPED = re.compile(r"\\([0-7]{3})")
_TO_ESCAPE = re.compile(r"[^a-z0-9\-_.]")


def full_name(name: str) -> str:
    r"""Return the canonical form of a name: \052.Example.com is *.example.com."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), name).lower().rstrip(".") + "."


def escaped(name: str) -> str:
    r"""Return the name in Route53's answers: *.example.com. is \052.example.com."""
    return _TO_ESCAPE.sub(lambda match: f"\\{ord(match[0]):03o}", name)


@lru_cache(maxsize=65536)
def place(name: str, kind: str, set_identifier: str = "") -> Place:
    """Return a record set's sort key in a listing: reversed labels with dots, then type."""
    labels = escaped(full_name(name)).split(".")
    return (".".join(reversed(labels[:-1])) + ".", kind, set_identifier)


def listed(zone: Zone) -> list[RecordSet]:
    """List the record sets in Route53's order."""
    return sorted(all_of(zone), key=lambda record: place(record.name, record.type, record.set_identifier))


def parse_change(change: Mapping[str, Any]) -> Change:
    """Parse a change in a request."""
    body = change["ResourceRecordSet"]
    known = {"Name", "Type", "TTL", "ResourceRecords", "SetIdentifier", "AliasTarget"}
    return Change(
        change["Action"],
        RecordSet(
            name=full_name(body["Name"]),
            type=body["Type"],
            ttl=None if body.get("TTL") is None else int(body["TTL"]),
            values=tuple(record["Value"] for record in body.get("ResourceRecords") or ()),
            set_identifier=body.get("SetIdentifier") or "",
            alias=_alias(body.get("AliasTarget")),
            rest=tuple(sorted((key, str(value)) for key, value in body.items() if key not in known)),
        ),
    )


def _alias(target: Mapping[str, Any] | None) -> tuple[str, str, bool] | None:
    if not target:
        return None
    healthy = str(target.get("EvaluateTargetHealth")).lower() == "true"
    return (target["HostedZoneId"], full_name(target["DNSName"]), healthy)


def zone_of(records: Iterable[RecordSet]) -> Zone:
    zone: dict[str, dict[tuple[str, str], RecordSet]] = {}
    for record in records:
        zone.setdefault(record.name, {})[record.type, record.set_identifier] = record
    return zone


def all_of(zone: Zone) -> Iterator[RecordSet]:
    return (record for present in zone.values() for record in present.values())


def changed(origin: str, zone: Zone, changes: Sequence[Change]) -> Zone:
    """Return the zone `origin` after the batch; `zone` is not modified. The cost is one copy of the names, and time
    proportional to the batch. Raises InvalidChangeBatchError if the whole batch is rejected."""
    too_much = list(_too_much(changes))
    if too_much:
        raise InvalidChangeBatchError(too_much)
    after = dict(zone)
    problems = []
    for change in changes:
        wanted = change.record_set
        present = after.get(wanted.name, {})
        problem = _problem(full_name(origin), present, change)
        if problem:
            problems.append(problem)
            continue
        kept = {key: record for key, record in present.items() if key != (wanted.type, wanted.set_identifier)}
        if change.action != "DELETE":
            kept[wanted.type, wanted.set_identifier] = wanted
        if kept:
            after[wanted.name] = kept
        else:
            del after[wanted.name]
    if problems:
        raise InvalidChangeBatchError(problems)
    return after


def _too_much(changes: Sequence[Change]) -> Iterator[str]:
    counted = [(2 if change.action == "UPSERT" else 1, change.record_set) for change in changes]
    if sum(times * (len(record.values) or 1) for times, record in counted) > MAX_VALUES:
        yield f"Number of records limit of {MAX_VALUES} exceeded."
    if sum(times * len(value) for times, record in counted for value in record.values) > MAX_CHARACTERS:
        yield f"RDATA character limit of {MAX_CHARACTERS} exceeded."


def _problem(origin: str, present: Mapping[tuple[str, str], RecordSet], change: Change) -> str | None:
    """`present` has the record sets with the same name."""
    wanted = change.record_set
    if wanted.name != origin and not wanted.name.endswith("." + origin):
        return f"RRSet with DNS name {wanted.name} is not permitted in zone {origin}"
    same = present.get((wanted.type, wanted.set_identifier))
    if change.action == "DELETE":
        return _problem_of_delete(origin, wanted, same)
    if change.action == "CREATE" and same is not None:
        return f"Tried to create resource record set {wanted.description} but it already exists"
    return _problem_beside_others(origin, present, wanted)


def _problem_of_delete(origin: str, wanted: RecordSet, present: RecordSet | None) -> str | None:
    if wanted.name == origin and wanted.type in {"NS", "SOA"}:
        return f"A HostedZone must contain its {wanted.type} record"
    if present is None:
        return f"Tried to delete resource record set {wanted.description} but it was not found"
    if _content(present) != _content(wanted):
        return (
            f"Tried to delete resource record set {wanted.description} but the values provided do not match the "
            "current values"
        )
    return None


def _content(record: RecordSet) -> tuple[Any, ...]:
    return (record.ttl, sorted(record.values), record.alias, record.rest)


def _problem_beside_others(origin: str, present: Mapping[tuple[str, str], RecordSet], wanted: RecordSet) -> str | None:
    """A CNAME excludes other records of its name, and is not allowed at the zone's apex."""
    if wanted.type == "CNAME" and wanted.name == origin:
        return f"RRSet of type CNAME with DNS name {wanted.name} is not permitted at apex in zone {origin}"
    types = {type_ for type_, _ in present if type_ != wanted.type}
    if types and (wanted.type == "CNAME" or "CNAME" in types):
        return (
            f"RRSet of type {wanted.type} with DNS name {wanted.name} is not permitted as it conflicts with other "
            f"records with the same DNS name in zone {origin}"
        )
    return None
