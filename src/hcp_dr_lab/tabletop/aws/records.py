"""Route53 in memory. Change batches follow `region.cloud.record_sets`, as in the region."""

from __future__ import annotations

import bisect
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

from hcp_dr_lab.ground import record_sets
from hcp_dr_lab.ground.record_sets import (
    Change,
    InvalidChangeBatchError,
    RecordSet,
    changed,
    full_name,
    listed,
    place,
    zone_of,
)
from hcp_dr_lab.tabletop.aws.chance import twin
from hcp_dr_lab.tabletop.aws.refusal import Refusal

REQUESTS_PER_SECOND = 5.0
"""Route53's limit for one account (developer guide, quotas on API requests)."""
PAGE = 300
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SERVER = "ns-1.awsdns-01.example."


@dataclass(frozen=True)
class Zone:
    """One hosted zone at one time. `name` ends with a dot."""

    zone_id: str
    name: str
    private: bool
    records: record_sets.Zone

    @cached_property
    def listing(self) -> list[RecordSet]:
        return listed(self.records)

    @cached_property
    def places(self) -> list[record_sets.Place]:
        return [place(record.name, record.type, record.set_identifier) for record in self.listing]


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the start of the next page; None on the last page."""

    records: tuple[RecordSet, ...]
    next: record_sets.Place | None = None


class Throttle:
    """Allows `per_second` requests a second, and after a pause a burst of one second's requests."""

    def __init__(self, per_second: float, now: Callable[[], float]) -> None:
        self._per_second = per_second
        self._now = now
        self._left = per_second
        self._seen = now()

    def take(self) -> None:
        """Raises Refusal."""
        now = self._now()
        self._left = min(self._per_second, self._left + (now - self._seen) * self._per_second)
        self._seen = now
        if self._left < 1:
            raise Refusal("Throttling", "Rate exceeded")
        self._left -= 1


class Records:
    """All zones of an account. `now` returns seconds; without `per_second` there is no throttling. Methods raise
    Refusal; safe for several threads."""

    def __init__(
        self,
        *,
        now: Callable[[], float],
        per_second: float | None = None,
        chance: random.Random | None = None,
        zones: Mapping[str, Zone] = MappingProxyType({}),
    ) -> None:
        self.now = now
        self.per_second = per_second
        self._throttle = Throttle(per_second, now) if per_second else None
        self._chance = chance or random.Random(0)  # noqa: S311 - names of zones in a simulation
        self._zones = dict(zones)
        self._lock = threading.RLock()

    def clone(
        self,
        *,
        now: Callable[[], float] | None = None,
        per_second: float | None = None,
        chance: random.Random | None = None,
    ) -> Self:
        """Return another account in the same state. Without `chance` it draws the same random values as this
        account."""
        with self._lock:
            return type(self)(
                now=now or self.now,
                per_second=per_second or self.per_second,
                chance=chance or twin(self._chance),
                zones=self._zones,
            )

    def create_zone(self, name: str, *, private: bool = False, zone_id: str | None = None) -> str:
        """Create a zone with SOA and NS records, and return its ID."""
        with self._lock:
            made = zone_id or "Z" + "".join(self._chance.choice(_LETTERS) for _ in range(20))
            origin = full_name(name)
            authority = f"{_SERVER} hostmaster.{origin} 1 7200 900 1209600 86400"
            beginning = (
                RecordSet(origin, "NS", 172800, (_SERVER,)),
                RecordSet(origin, "SOA", 900, (authority,)),
            )
            self._zones[made] = Zone(made, origin, private, zone_of(beginning))
            return made

    def zones(self) -> tuple[Zone, ...]:
        """Return all zones for a simulated name server, without counting a request."""
        with self._lock:
            return tuple(self._zones.values())

    def find(self, zone_id: str, name: str, kind: str) -> RecordSet | None:
        """Find a record set for a simulated name server, without counting a request, following wildcards or CNAMEs."""
        return self._zone(zone_id).records.get(full_name(name), {}).get((kind, ""))

    def published(self) -> list[dict[str, Any]]:
        """Return all zones in the format of `region.network.zones.parse_zones`."""
        return [
            {
                "name": zone.name,
                "private": zone.private,
                "records": [
                    {"name": record.name, "type": record.type, "ttl": record.ttl or 60, "values": record.values}
                    for record in zone.listing
                    if record.values
                ],
            }
            for zone in self.zones()
        ]

    # Requests, subject to throttling

    def zone(self, zone_id: str) -> Zone:
        with self._lock:
            self._request()
            return self._zone(zone_id)

    def list(self, zone_id: str, start: record_sets.Place | None = None, *, most: int = PAGE) -> Page:
        """Return at most 300 record sets, in Route53's order, from `start` on."""
        zone = self.zone(zone_id)
        first = bisect.bisect_left(zone.places, start) if start else 0
        last = first + min(most, PAGE)
        following = zone.places[last] if last < len(zone.places) else None
        return Page(tuple(zone.listing[first:last]), following)

    def change(self, zone_id: str, changes: Sequence[Change]) -> None:
        """Apply one batch atomically."""
        with self._lock:
            self._request()
            zone = self._zone(zone_id)
            if not changes:
                message = "1 validation error detected: Value at 'changeBatch.changes' failed to satisfy constraint"
                raise Refusal("InvalidInput", message)
            try:
                after = changed(zone.name, zone.records, changes)
            except InvalidChangeBatchError as error:
                raise Refusal("InvalidChangeBatch", str(error)) from error
            self._zones[zone_id] = Zone(zone_id, zone.name, zone.private, after)

    def _zone(self, zone_id: str) -> Zone:
        found = self._zones.get(zone_id)
        if found is None:
            raise Refusal("NoSuchHostedZone", f"No hosted zone found with ID: {zone_id}", 404)
        return found

    def _request(self) -> None:
        if self._throttle is not None:
            self._throttle.take()
