"""The caching resolver of the VPC: DNS changes take effect with a delay, as in AWS.

Record sets are cached for their own TTL, negative answers according to the zone's start of authority. Real values are
long: external-dns writes a TTL of 300 s by default, and Route53's start of authority lets NXDOMAIN live 900 s.
`longest` limits both, so that a rehearsal includes a short wait. For realistic delays set `longest` to 900.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

from dns.name import Name
from dns.rcode import Rcode
from dns.rdatatype import RdataType
from dns.rrset import RRset

from hcp_dr_lab.ground.network.answers import Source, Step

MAX_CACHED_SECONDS = 5.0
MAX_ENTRIES = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    step: Step
    expires: float


class Cache:
    """A source that caches another source. `clock` is monotonic, in seconds."""

    def __init__(self, source: Source, clock: Callable[[], float], longest: float = MAX_CACHED_SECONDS) -> None:
        self._source = source
        self._clock = clock
        self._longest = longest
        self._entries: dict[tuple[Name, RdataType], Entry] = {}

    def step(self, name: Name, kind: RdataType) -> Step:
        now = self._clock()
        return _aged(self._entry(name, kind, now), now)

    def kept(self, name: Name, kind: RdataType) -> tuple[Step, float]:
        """Return the answer with the original TTL, and the clock's time until which the answer stays the same."""
        entry = self._entry(name, kind, self._clock())
        return entry.step, entry.expires

    def _entry(self, name: Name, kind: RdataType, now: float) -> Entry:
        key = (name.canonicalize(), kind)
        entry = self._entries.get(key)
        if entry is None or entry.expires <= now:
            entry = self._ask(key, now)
        return entry

    def _ask(self, key: tuple[Name, RdataType], now: float) -> Entry:
        step = self._source(*key)
        entry = Entry(step, now + min(self._longest, seconds_to_keep(step)))
        if entry.expires > now:
            if len(self._entries) >= MAX_ENTRIES:
                self._entries = {key: kept for key, kept in self._entries.items() if kept.expires > now}
            self._entries[key] = entry
        return entry


def seconds_to_keep(step: Step) -> float:
    """RFC 2308: a negative answer lives for the smaller of the authority's TTL and minimum; failures are not cached."""
    if step.rcode not in {Rcode.NOERROR, Rcode.NXDOMAIN}:
        return 0
    if step.records is not None:
        return step.records.ttl
    if step.authority is None:
        return 0
    minimum: int = step.authority[0].minimum
    return min(step.authority.ttl, minimum)


def _aged(entry: Entry, now: float) -> Step:
    """Return the answer with the remaining TTL, so that downstream caches do not keep it longer."""
    if entry.step.records is None:
        return entry.step
    remaining = max(0, math.ceil(entry.expires - now))
    kept = entry.step.records
    if kept.ttl <= remaining:
        return entry.step
    younger: RRset = kept.copy()  # type: ignore[no-untyped-call]
    younger.ttl = remaining
    return dataclasses.replace(entry.step, records=younger)
