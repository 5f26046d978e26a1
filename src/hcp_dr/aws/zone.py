"""One Route53 hosted zone, in the form in which names are compared: lower case, no last dot, nothing escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hcp_dr.aws.batch import describe, refuse_what_does_not_fit
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
        self._listing = Listing(self._page)

    @property
    def zone_id(self) -> str:
        return self._zone_id

    def domain(self) -> str:
        with translate_errors("Route53", "GetHostedZone", self._zone_id):
            return _plain(self._client.get_hosted_zone(Id=self._zone_id)["HostedZone"]["Name"])

    def records(self) -> tuple[Record, ...]:
        return self._listing.whole()

    def change(self, changes: Sequence[RecordChange]) -> None:
        refuse_what_does_not_fit(changes, self._zone_id)
        batch: list[ChangeTypeDef] = [
            {"Action": change.action, "ResourceRecordSet": _written(change.record)} for change in changes
        ]
        with translate_errors("Route53", describe(changes), self._zone_id):
            self._client.change_resource_record_sets(HostedZoneId=self._zone_id, ChangeBatch={"Changes": batch})

    def _page(self, start: Mapping[str, Any] | None) -> tuple[list[Record], Mapping[str, Any] | None]:
        with translate_errors("Route53", "ListResourceRecordSets", self._zone_id):
            page = self._client.list_resource_record_sets(HostedZoneId=self._zone_id, **(start or {}))
        found = [_read(one) for one in page["ResourceRecordSets"]]
        if not page["IsTruncated"]:
            return found, None
        following = {"StartRecordName": page["NextRecordName"], "StartRecordType": page["NextRecordType"]}
        if "NextRecordIdentifier" in page:
            following["StartRecordIdentifier"] = page["NextRecordIdentifier"]
        return found, following


def _read(found: ResourceRecordSetOutputTypeDef) -> Record:
    alias = found.get("AliasTarget")
    return Record(
        name=_plain(found["Name"]),
        type=found["Type"],
        ttl=found.get("TTL"),
        values=tuple(value["Value"] for value in found.get("ResourceRecords", ())),
        alias=(alias["HostedZoneId"], _plain(alias["DNSName"]), alias["EvaluateTargetHealth"]) if alias else None,
    )


def _written(record: Record) -> ResourceRecordSetTypeDef:
    written: ResourceRecordSetTypeDef = {"Name": _escaped(record.name) + ".", "Type": record.type}  # type: ignore[typeddict-item]
    if record.alias is not None:
        zone_id, name, healthy = record.alias
        written["AliasTarget"] = {
            "HostedZoneId": zone_id,
            "DNSName": _escaped(name) + ".",
            "EvaluateTargetHealth": healthy,
        }
        return written
    if record.ttl is not None:
        written["TTL"] = record.ttl
    written["ResourceRecords"] = [{"Value": value} for value in record.values]
    return written


def _plain(name: str) -> str:
    r"""Route53 writes * as \052."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), name).removesuffix(".").lower()


def _escaped(name: str) -> str:
    return _TO_ESCAPE.sub(lambda match: f"\\{ord(match[0]):03o}", name.lower())
