"""The data of the region's authoritative name server: the zones of Route53, and the region's static names."""

from __future__ import annotations

import ipaddress
import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.name
import dns.rdatatype
import dns.reversename
from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from dns.rrset import RRset

from hcp_dr_lab.ground.layout import AWS_ADDRESS, MANAGEMENT_CLUSTERS, REGION_DOMAIN, S3_ADDRESS, VPC_CIDR, ZONE_SERVER
from hcp_dr_lab.ground.network.answers import FAILED, Source, Step, records

STATIC_TTL = 60
NEGATIVE_TTL = 60
WILDCARD = dns.name.Name([b"*"])
INSTANCE_DOMAIN = dns.name.from_text("ec2.internal.")
REVERSE_DOMAIN = dns.name.from_text("in-addr.arpa.")


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone. `names` are all existing names, including names that only have child names."""

    origin: Name
    record_sets: Mapping[tuple[Name, RdataType], RRset]
    authority: RRset | None
    names: frozenset[Name] = field(default_factory=frozenset)

    @classmethod
    def of(cls, origin: Name, record_sets: Iterable[RRset]) -> Zone:
        by_key = {(each.name, each.rdtype): each for each in record_sets}
        names = {origin}
        for name, _ in by_key:
            while name != origin and name not in names:
                names.add(name)
                name = name.parent()  # noqa: PLW2901 up to the zone's own name
        return cls(origin, by_key, by_key.get((origin, RdataType.SOA)), frozenset(names))

    def step(self, name: Name, kind: RdataType) -> Step:
        owner = self._owner(name)
        if owner is None:
            return Step(Rcode.NXDOMAIN, authority=self.authority)
        found = self.record_sets.get((owner, kind)) or self.record_sets.get((owner, RdataType.CNAME))
        if found is None:
            return Step(Rcode.NOERROR, authority=self.authority)
        if owner != name:
            found = records(name, found.ttl, dns.rdatatype.to_text(found.rdtype), *(each.to_text() for each in found))
        return Step(Rcode.NOERROR, found)

    def _owner(self, name: Name) -> Name | None:
        """Return the name itself, otherwise the matching wildcard (RFC 4592: below the closest existing name)."""
        if name in self.names:
            return name
        above = name.parent()
        while above not in self.names:
            above = above.parent()
        wildcard = WILDCARD.concatenate(above)
        return wildcard if wildcard in self.names else None


class Zones:
    """Several zones; a name belongs to the zone with the longest matching origin."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        self._zones = {zone.origin: zone for zone in zones}

    def step(self, name: Name, kind: RdataType) -> Step | None:
        """Return None if no zone has the name."""
        name = name.canonicalize()
        above = name
        while above not in self._zones:
            if above == dns.name.root:
                return None
            above = above.parent()
        return self._zones[above].step(name, kind)


def parse_zones(published: Sequence[Mapping[str, Any]]) -> Zones:
    """Parse the AWS simulator's file."""
    return Zones(
        Zone.of(
            dns.name.from_text(zone["name"]),
            [
                records(dns.name.from_text(each["name"]), each["ttl"], each["type"], *each["values"])
                for each in zone["records"]
            ],
        )
        for zone in published
    )


class PublishedZones:
    """The zones of a file that is replaced at every change, and read again after a replacement.

    A change takes effect `propagation` seconds after the write, as with Route53's name servers. `clock` is the time of
    day, as in files' timestamps.
    """

    def __init__(self, path: Path, propagation: float = 0, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._propagation = propagation
        self._clock = clock
        self._seen: tuple[int, int] | None = None
        self._zones: Zones | None = None
        self._coming: deque[tuple[float, Zones]] = deque()

    def current(self) -> Zones | None:
        """Return None until the file exists."""
        self._read()
        while self._coming and self._coming[0][0] <= self._clock():
            self._zones = self._coming.popleft()[1]
        return self._zones

    def _read(self) -> None:
        try:
            status = self._path.stat()
            if (status.st_ino, status.st_mtime_ns) == self._seen:
                return
            zones = parse_zones(json.loads(self._path.read_text()))
        except FileNotFoundError:
            return
        at = status.st_mtime + self._propagation if self._seen is not None and self._propagation else 0.0
        self._seen = (status.st_ino, status.st_mtime_ns)
        self._coming.append((at, zones))


def start_of_authority(origin: Name) -> RRset:
    value = f"ns.{REGION_DOMAIN}. hostmaster.{REGION_DOMAIN}. 1 7200 900 1209600 {NEGATIVE_TTL}"
    return records(origin, NEGATIVE_TTL, "SOA", value)


def static_zone() -> Zone:
    """REGION_DOMAIN: API servers, load balancers and nodes of the management clusters, S3 and the AWS endpoint."""
    hosts = {"ns": ZONE_SERVER, "s3": S3_ADDRESS, "aws": AWS_ADDRESS}
    for cluster in MANAGEMENT_CLUSTERS:
        hosts[f"api.{cluster.name}"] = cluster.api_address
        hosts[f"router.{cluster.name}"] = hosts[f"*.elb.{cluster.name}"] = cluster.load_balancer_address
        hosts[cluster.node_name] = cluster.node_address
    origin = dns.name.from_text(REGION_DOMAIN + ".")
    own = [start_of_authority(origin), records(origin, STATIC_TTL, "NS", f"ns.{REGION_DOMAIN}.")]
    return Zone.of(
        origin,
        own + [records(dns.name.from_text(host, origin), STATIC_TTL, "A", address) for host, address in hosts.items()],
    )


def instance_step(name: Name, kind: RdataType) -> Step | None:
    """Resolve ip-10-78-2-4.ec2.internal and its PTR by rule, as a VPC's resolver does. None for other names."""
    if name.is_subdomain(INSTANCE_DOMAIN) and len(name) == len(INSTANCE_DOMAIN) + 1:
        label = name.labels[0].decode("latin-1").lower()
        address = label.removeprefix("ip-").replace("-", ".")
        if not (label.startswith("ip-") and _in_vpc(address)):
            return None
        return _single(name, kind, "A", address)
    if name.is_subdomain(REVERSE_DOMAIN) and len(name) == len(REVERSE_DOMAIN) + 4:
        address = str(dns.reversename.to_address(name))
        if _in_vpc(address):
            return _single(name, kind, "PTR", f"ip-{address.replace('.', '-')}.ec2.internal.")
    return None


def _single(name: Name, kind: RdataType, has: str, value: str) -> Step:
    if kind != dns.rdatatype.from_text(has):
        return Step(Rcode.NOERROR, authority=start_of_authority(name))
    return Step(Rcode.NOERROR, records(name, STATIC_TTL, has, value))


def _in_vpc(text: str) -> bool:
    try:
        return ipaddress.ip_address(text) in ipaddress.ip_network(VPC_CIDR)
    except ValueError:
        return False


def region_source(published: PublishedZones) -> Source:
    """Return the source for all names of the region; names of the outside world do not exist here."""
    static = Zones([static_zone()])
    nothing = Step(Rcode.NXDOMAIN, authority=start_of_authority(dns.name.root))

    def step(name: Name, kind: RdataType) -> Step:
        known = static.step(name, kind) or instance_step(name, kind)
        if known is not None:
            return known
        zones = published.current()
        if zones is None:
            return FAILED
        return zones.step(name, kind) or nothing

    return step
