"""The rules for the observer's writes: no acknowledged write is lost (I3); never do both sides accept writes (I2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hcp_dr.objects.reading import some
from hcp_dr_lab.observer.evidence import Write


@dataclass(frozen=True, slots=True)
class Lost:
    """An acknowledged write without effect. `why` describes the present state."""

    name: str
    why: str


def lost_writes(writes: Iterable[Write], read_back: Mapping[str, int]) -> Iterator[Lost]:
    """Find lost writes, by name. The present content must be from the last acknowledged write, or from a later write
    that was neither acknowledged nor refused. A deleted ConfigMap that exists again counts as lost."""
    for name, mine in sorted(_by_name(writes).items()):
        acknowledged = max((write for write in mine if write.acknowledged), key=_sequence, default=None)
        if acknowledged is None:
            continue
        possible = {_effect(acknowledged)}
        doubtful = (write for write in mine if write.sequence > acknowledged.sequence and not write.refused)
        possible |= {_effect(write) for write in doubtful}
        found = read_back.get(name)
        if found not in possible:
            yield Lost(name, _why(acknowledged, found))


def after_the_snapshot(writes: Iterable[Write], read_back: Mapping[str, int], source: str) -> tuple[Write, ...]:
    """Find acknowledged writes at the source's own addresses that are missing in the content and were acknowledged
    later than all present writes: the snapshot was taken before them. Earlier missing writes were lost for another
    reason.
    """
    everything = tuple(writes)
    at_source = sorted((write for write in everything if write.side == source and write.acknowledged), key=_ended)
    deleted = {write.name for write in everything if write.verb == "delete" and not write.refused}
    there = [
        write.ended for write in at_source if write.verb != "delete" and read_back.get(write.name, 0) >= write.sequence
    ]
    last = max(there, default=float("-inf"))
    return tuple(write for write in at_source if write.ended > last and _is_missing(write, read_back, deleted))


def after_the_destination(writes: Iterable[Write], source: str, destination: str) -> tuple[float, tuple[Write, ...]]:
    """Return the start of the destination's first acknowledged write, and the source's later acknowledged writes."""
    acknowledged = [write for write in writes if write.acknowledged and write.side]
    first = min((write.started for write in acknowledged if write.side == destination), default=float("inf"))
    return first, tuple(write for write in acknowledged if write.side == source and write.ended > first)


def longest_gap(writes: Iterable[Write], stopped: float) -> float:
    """Return the longest time between two writes acknowledged by name, in seconds; the last gap ends at `stopped`."""
    moments = sorted([*(write.ended for write in writes if write.acknowledged and not write.side), stopped])
    return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)


def some_writes(writes: Iterable[Write]) -> str:
    """List the names of the writes as text."""
    return some_names(sorted({write.name for write in writes}))


def some_names(names: Sequence[str]) -> str:
    """List the first few names as text."""
    return some(names) or "none"


def _by_name(writes: Iterable[Write]) -> dict[str, list[Write]]:
    found: dict[str, list[Write]] = defaultdict(list)
    for write in writes:
        found[write.name].append(write)
    return found


def _effect(write: Write) -> int | None:
    return None if write.verb == "delete" else write.sequence


def _is_missing(write: Write, read_back: Mapping[str, int], deleted: set[str]) -> bool:
    found = read_back.get(write.name)
    if write.verb == "delete":
        return found is not None
    return write.name not in deleted if found is None else found < write.sequence


def _why(acknowledged: Write, found: int | None) -> str:
    if acknowledged.verb == "delete":
        return "deleted and back"
    if found is None:
        return "absent"
    return "older" if 0 < found < acknowledged.sequence else "with content that was never written"


def _sequence(write: Write) -> int:
    return write.sequence


def _ended(write: Write) -> float:
    return write.ended
