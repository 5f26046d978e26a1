"""From a name to a server: the VPC's resolver with its cache, and both management clusters' routers and load balancers.
Decisions are made by the region's own code (`region.network`), with objects and records in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import dns.name
import dns.rdatatype
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from hcp_dr.kube import resources as r
from hcp_dr_lab.ground.layout import ManagementCluster
from hcp_dr_lab.ground.network.answers import Step, follow
from hcp_dr_lab.ground.network.resolver import Cache
from hcp_dr_lab.ground.network.routing import Backend, Table, admissions, table
from hcp_dr_lab.ground.network.zones import PublishedZones, Zones, parse_zones, region_source
from hcp_dr_lab.tabletop.aws import Records
from hcp_dr_lab.tabletop.clock import NEVER, Clock
from hcp_dr_lab.tabletop.controllers import own
from hcp_dr_lab.tabletop.kubernetes import ApiServer
from hcp_dr_lab.tabletop.kubernetes.refusal import Refusal
from hcp_dr_lab.tabletop.twin import sharing

ROUTE_PORT = 443


class Resolver:
    """The caching resolver of the region. `longest` limits the caching time, in seconds."""

    def __init__(self, records: Records, clock: Clock, longest: float) -> None:
        self._records = records
        self._clock = clock
        self._longest = longest
        self._zones: tuple[object, Zones] | None = None
        self._cache = self._empty()
        self._addresses: dict[
            str, tuple[str | None, float]
        ] = {}  # by name, with the time until which the cache is valid

    def __deepcopy__(self, memo: dict[int, Any]) -> Resolver:
        """Copy with the same cache content."""
        copied = Resolver(memo[id(self._records)], memo[id(self._clock)], self._longest)
        copied._cache._entries |= self._cache._entries  # noqa: SLF001 - same class
        return copied

    def address(self, name: str) -> str | None:
        """Return None if the name does not exist or has no address."""
        known = self._addresses.get(name)
        if known is not None and self._clock.now() < known[1]:
            return known[0]
        expiries: list[float] = []

        def kept(name: Name, kind: RdataType) -> Step:
            step, expires = self._cache.kept(name, kind)
            expiries.append(expires)
            return step

        answer = follow(kept, dns.name.from_text(name), dns.rdatatype.A)
        found = None
        if answer.rcode == Rcode.NOERROR and answer.records and answer.records[-1].rdtype == dns.rdatatype.A:
            found = str(answer.records[-1][0])
        self._addresses[name] = found, min(expiries)
        return found

    def current(self) -> Zones:
        """Return the zones currently served by Route53."""
        seen = self._records.zones()
        if self._zones is None or self._zones[0] != seen:
            self._zones = (seen, parse_zones(self._records.published()))
        return self._zones[1]

    def _empty(self) -> Cache:
        return Cache(region_source(cast("PublishedZones", self)), self._clock.now, self._longest)


@dataclass(frozen=True, slots=True)
class Pace:
    """Delays in seconds: until a router serves a new Route, and until a load balancer serves a new pod."""

    admission: float = 0.1
    new_backend: float = 0.0


@sharing("_table", "_pace", "_cluster")
class Router:
    """Router and load balancers of one management cluster."""

    def __init__(self, cluster: ManagementCluster, server: ApiServer, clock: Clock, pace: Pace) -> None:
        self._cluster = cluster
        self._server = server
        self._clock = clock
        self._pace = pace
        self._seen = -1
        self._table_at = -1
        self._table = Table()
        self._first_seen: dict[Backend, float] = {}
        self._last = 0.0

    @property
    def address(self) -> str:
        return self._cluster.load_balancer_address

    def due(self) -> float:
        return NEVER if self._seen == self._server.store.revision else self._last + self._pace.admission

    def turn(self) -> None:
        """Admit Routes."""
        store, before = self._server.store, self._seen
        self._seen, self._last = store.revision, self._clock.now()
        if before >= 0 and not any(change.key.kind == str(r.ROUTE) for change in store.since(before)):
            return
        routes = [entry.object for entry in store.list(str(r.ROUTE))]
        now = self._clock.date().strftime("%Y-%m-%dT%H:%M:%SZ")
        for each in admissions(routes, self._cluster.load_balancer_hostname, now):
            try:
                change = own({"status": each.status})
                self._server.patch(r.ROUTE, each.namespace, each.name, change, subresource="status", manager="router")
            except Refusal:
                continue

    def backends(self, name: str, port: int) -> list[Backend]:
        """Return the possible pods for a new connection, in order."""
        found = self._current().for_route(name) if port == ROUTE_PORT else self._current().for_load_balancer(name)
        served_before = self._clock.now() - self._pace.new_backend
        return [each for each in sorted(found) if self._first_seen.get(each, 0.0) <= served_before]

    def _current(self) -> Table:
        store, kinds = self._server.store, {str(r.ROUTE), str(r.SERVICE), str(r.ENDPOINT_SLICE)}
        if self._table_at < 0 or any(change.key.kind in kinds for change in store.since(self._table_at)):
            lists = (
                [entry.object for entry in store.list(str(kind))] for kind in (r.ROUTE, r.SERVICE, r.ENDPOINT_SLICE)
            )
            self._table = table(*lists)
            now = self._clock.now()
            self._first_seen = {each: self._first_seen.get(each, now) for each in self._table.backends}
        self._table_at = store.revision
        return self._table


def hosts(routers: Mapping[str, Router]) -> dict[str, Router]:
    """Return the routers by address."""
    return {router.address: router for router in routers.values()}
