"""One Route53 hosted zone. Names are normalized: lower case, no trailing dot, no escapes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hcp_dr.aws.batch import check_size, describe
from hcp_dr.aws.mapping import translate_errors
from hcp_dr.aws.paging import Listing
from hcp_dr.aws.port import Record, RecordChange

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_route53.type_defs import ChangeTypeDef, ResourceRecordSetOutputTypeDef, ResourceRecordSetTypeDef

_ESCAPED = re.compile(r"\\([0-7]{3})")
_TO_ESCAPE = re.compile(r"[^a-z0-9\-_.*]")


class Route53Zone:
    """Implements hcp_dr.aws.port.HostedZone."""

    def __init__(self, client: Route53Client, zone_id: str) -> None:
        self._client = client
        self._zone_id = zone_id.rpartition("/")[2]
        self._listing = Listing(self._page, service="Route53", subject=self._zone_id)

    @property
    def zone_id(self) -> str:
        return self._zone_id

    def domain(self) -> str:
        with translate_errors("Route53", "GetHostedZone", self._zone_id):
            return _normalize(self._client.get_hosted_zone(Id=self._zone_id)["HostedZone"]["Name"])

    def records(self) -> tuple[Record, ...]:
        return self._listing.read_all()

    def change(self, changes: Sequence[RecordChange]) -> None:
        check_size(changes, self._zone_id)
        batch: list[ChangeTypeDef] = [
            {"Action": change.action, "ResourceRecordSet": _to_route53(change.record)} for change in changes
        ]
        with translate_errors("Route53", describe(changes), self._zone_id):
            self._client.change_resource_record_sets(HostedZoneId=self._zone_id, ChangeBatch={"Changes": batch})

    def _page(self, start: Mapping[str, Any] | None) -> tuple[list[Record], Mapping[str, Any] | None]:
        with translate_errors("Route53", "ListResourceRecordSets", self._zone_id):
            page = self._client.list_resource_record_sets(HostedZoneId=self._zone_id, **(start or {}))
            records = [_from_route53(record_set) for record_set in page["ResourceRecordSets"]]
            if not page["IsTruncated"]:
                return records, None
            next_page = {"StartRecordName": page["NextRecordName"], "StartRecordType": page["NextRecordType"]}
        if "NextRecordIdentifier" in page:
            next_page["StartRecordIdentifier"] = page["NextRecordIdentifier"]
        return records, next_page


def _from_route53(record_set: ResourceRecordSetOutputTypeDef) -> Record:
    alias = record_set.get("AliasTarget")
    return Record(
        name=_normalize(record_set["Name"]),
        type=record_set["Type"],
        ttl=record_set.get("TTL"),
        values=tuple(value["Value"] for value in record_set.get("ResourceRecords", ())),
        routing=_routing_of(record_set),
        alias=(alias["HostedZoneId"], _normalize(alias["DNSName"]), alias["EvaluateTargetHealth"]) if alias else None,
    )


_PLAIN = ("Name", "Type", "TTL", "ResourceRecords", "AliasTarget")


def _routing_of(record_set: ResourceRecordSetOutputTypeDef) -> str:
    """Route53 deletes a record set only if the request has every field of it."""
    rest = {name: value for name, value in record_set.items() if name not in _PLAIN}
    return json.dumps(rest, sort_keys=True) if rest else ""


def _to_route53(record: Record) -> ResourceRecordSetTypeDef:
    record_set: ResourceRecordSetTypeDef = {"Name": _escape(record.name) + ".", "Type": record.type}  # type: ignore[typeddict-item]
    if record.routing:
        record_set |= json.loads(record.routing)
    if record.alias is not None:
        zone_id, name, evaluate_health = record.alias
        record_set["AliasTarget"] = {
            "HostedZoneId": zone_id,
            "DNSName": _escape(name) + ".",
            "EvaluateTargetHealth": evaluate_health,
        }
        return record_set
    if record.ttl is not None:
        record_set["TTL"] = record.ttl
    record_set["ResourceRecords"] = [{"Value": value} for value in record.values]
    return record_set


def _normalize(name: str) -> str:
    r"""Route53 returns * as \052."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), name).removesuffix(".").lower()


def _escape(name: str) -> str:
    return _TO_ESCAPE.sub(lambda match: f"\\{ord(match[0]):03o}", name.lower())
