"""The expected downtime of the hosted API, from the fence to the first answer by its name: a range, from properties of
this hosted cluster and the figures below. It is no promise, and it lists the unknowns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from hcp_dr.aws.port import Record
from hcp_dr.engine.journal import RunState
from hcp_dr.engine.planner import Estimate, Part
from hcp_dr.errors import HcpDrError
from hcp_dr.hypershift.dns.external_dns import read_external_dns
from hcp_dr.hypershift.dns.handover import SHORT_LIFE
from hcp_dr.hypershift.etcd import members as etcd_members
from hcp_dr.hypershift.state import DNS
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr.model import HANDOVER, Case, Ports
from hcp_dr.objects.reading import dig

Range = tuple[float, float]
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds, or bytes a second, as least and most; each with its source. docs/procedure.md has them too."""

    fence: Range = (3, 139)  # measured: 3 to 12 if API servers can be force-stopped, else 139 (decision 0003)
    disk: Range = (40 * _MIB, 125 * _MIB)  # a gp3 volume gives 125 MiB/s by default; a busy one a third
    passes: int = 3  # the snapshot is written, verified, and read once more for its sha256
    transfer: Range = (20e6, 90e6)  # S3's guide: 85 to 90 MB/s for one request; a small node's network a quarter
    between_batches: float = 10  # external-dns, as HyperShift installs it
    interval: float = 60  # external-dns's own default
    propagation: Range = (0, 60)  # Route53's promise
    restart: Range = (2, 30)  # of external-dns; it syncs at once after its start
    start: Range = (60, 300)  # a requeue of the control plane operator (CPO:1142-1149); HyperShift's goal
    load_balancer: Range = (120, 180)  # a new network load balancer is active after some 2.5 minutes (hypershift 686)
    new_backend: Range = (0, 30)  # three health checks, ten seconds apart
    endpoint: Range = (30, 60)  # a VPC endpoint to it (hypershift 686)
    negative: float = 900  # Route53's own SOA: how long a resolver caches the absence of a name


FIGURES = Figures()
NOT_KNOWN = (
    "how long your nodes take to pull images that were not pulled ahead",
    "how long clients, and resolvers that override a TTL, cache an answer",
    "when pods on the workers reach the API again: the proxy of each node restarts up to 8 minutes later, by its probe",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """None if unknown. Bytes and seconds."""

    etcd_bytes: int | None
    intervals: tuple[float | None, float | None]  # of external-dns on the source and on the destination
    record_ttl: float | None  # of the API's record; None for an alias, too
    negative_ttl: float | None  # how long a resolver caches the absence of a name
    load_balancer: bool  # the API has a load balancer of its own
    handover: bool  # remembered: the names are never absent, and have a short TTL
    private: bool  # workers reach the API through a VPC endpoint


Answer = TypeVar("Answer")


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    """Reads only; without an answer a fact is unknown."""
    hosted_cluster = _or_none(lambda: ports.source.get(HOSTED_CLUSTER, case.name, case.namespace)) or {}
    records = _or_none(ports.zone.records) or ()
    services = dig(hosted_cluster, "spec", "services") or ()
    api: Mapping[str, object] = next((each for each in services if each.get("service") == "APIServer"), {})
    intervals = (
        _or_none(lambda: read_external_dns(ports.source, "source").interval),
        _or_none(lambda: read_external_dns(ports.destination, "destination").interval),
    )
    return Facts(
        etcd_bytes=_or_none(lambda: etcd_members.size(ports.source, case)),
        intervals=(seconds(intervals[0]), seconds(intervals[1])),
        record_ttl=next((r.ttl for r in records if r.name == case.api_hostname and r.type != "TXT"), None),
        negative_ttl=_negative_ttl(records),
        handover=memory.get(DNS) == HANDOVER,
        load_balancer=dig(api, "servicePublishingStrategy", "type") == "LoadBalancer",
        private=(dig(hosted_cluster, "spec", "platform", "aws", "endpointAccess") or "Public") != "Public",
    )


def _or_none(ask: Callable[[], Answer]) -> Answer | None:
    try:
        return ask()
    except HcpDrError:
        return None


def _negative_ttl(records: Iterable[Record]) -> float | None:
    """The lesser of the SOA's own TTL and its last field (RFC 2308)."""
    for record in records:
        words = record.values[0].split() if record.type == "SOA" and record.values else []
        if len(words) == 7 and words[6].isdigit():
            return float(min(int(words[6]), record.ttl if record.ttl is not None else int(words[6])))
    return None


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"([0-9.]+)(ms|h|m|s)")


def seconds(duration: str | None) -> float | None:
    """The seconds of a duration such as 1m30s; None if it is not a duration."""
    parts = _DURATION.findall(duration or "")
    return sum(float(number) * _UNITS[unit] for number, unit in parts) if parts else None


def estimate(facts: Facts, figures: Figures = FIGURES) -> Estimate:
    not_known = list(NOT_KNOWN)
    parts = [Part("fence", *figures.fence, "the API server's pods stop, by force; longer if that is not possible")]
    if facts.etcd_bytes is None:
        not_known.insert(0, "the size of etcd: its pods did not report it; snapshot, upload and restore are left out")
    else:
        parts += _transfer_parts(facts.etcd_bytes, figures)
    before, after = (figures.interval if each is None else each for each in facts.intervals)
    batch = figures.between_batches
    if not facts.handover:
        slowest = before + batch + figures.propagation[1]
        parts.append(Part("DNS records released", 0, slowest, f"the source's external-dns syncs every {before:.0f} s"))
    parts.append(Part("control plane start", *figures.start, "the operators build it, etcd and the API server start"))
    if facts.load_balancer or facts.private:
        low, high = figures.load_balancer
        extra = figures.endpoint if facts.private else (0.0, 0.0)
        purpose = "with a VPC endpoint to it" if facts.private else "only for the API"
        parts.append(Part("load balancer", low + extra[0], high + extra[1], f"a new one is created, {purpose}"))
    parts.append(Part("new backend", *figures.new_backend, "health checks until it receives connections"))
    parts.append(
        Part(
            "DNS records set",
            figures.restart[0],
            figures.restart[1] + after + batch + figures.propagation[1],
            f"the destination's external-dns restarts, and syncs every {after:.0f} s",
        )
    )
    parts.append(_cache_part(facts, figures))
    return Estimate(tuple(parts), tuple(not_known))


def _transfer_parts(size: int, figures: Figures) -> list[Part]:
    slow, fast = figures.disk
    narrow, wide = figures.transfer
    size_text = f"etcd's database has {size / _MIB:.1f} MiB"
    return [
        Part(
            "snapshot", figures.passes * size / fast, figures.passes * size / slow, f"{size_text}, saved and read again"
        ),
        Part("upload", size / wide, size / narrow, "from etcd's pod to the bucket"),
        Part("restore of etcd", size / wide + size / fast, size / narrow + size / slow, "fetched and written there"),
    ]


def _cache_part(facts: Facts, figures: Figures) -> Part:
    """A resolver that queried an absent name caches its absence; a resolver with the old address has dropped it by
    then, or keeps it for the record's TTL. A name under handover is never absent."""
    if facts.handover:
        return Part("DNS caches", 0, SHORT_LIFE, f"a name under handover has a TTL of {SHORT_LIFE} s")
    negative = figures.negative if facts.negative_ttl is None else facts.negative_ttl
    seconds_cached = max(negative, facts.record_ttl or 0.0)
    ttl_text = "unknown" if facts.record_ttl is None else f"{facts.record_ttl:.0f} s"
    return Part(
        "DNS caches", 0, seconds_cached, f"an absent name is cached {negative:.0f} s, the record's TTL is {ttl_text}"
    )
