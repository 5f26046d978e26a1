"""The rules over the observer's writes: nothing acknowledged is lost (I3), and never do both sides take writes (I2)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hcp_dr.objects.reading import some
from hcp_dr_lab.observer.evidence import Write


@dataclass(frozen=True, slots=True)
class Lost:
    """An acknowledged write whose effect is not there. `why` tells what is there instead."""

    name: str
    why: str


def lost_writes(writes: Iterable[Write], read_back: Mapping[str, int]) -> Iterator[Lost]:
    """By name: what is there has to be what the last acknowledged write made, or what one after it that was
    neither acknowledged nor refused may have made. A deleted ConfigMap that is back is lost too."""
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
    """The acknowledged writes at the source's own addresses that the content lacks, and that were acknowledged later
    than each one that it has: the snapshot was taken before them. One that is missing in between was lost otherwise.
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
    """When the destination began the first write that it acknowledged, and those that the source acknowledged later."""
    acknowledged = [write for write in writes if write.acknowledged and write.side]
    first = min((write.started for write in acknowledged if write.side == destination), default=float("inf"))
    return first, tuple(write for write in acknowledged if write.side == source and write.ended > first)


def longest_gap(writes: Iterable[Write], stopped: float) -> float:
    """Seconds of the longest time between two writes acknowledged by name; the end of writing closes the last gap."""
    moments = sorted([*(write.ended for write in writes if write.acknowledged and not write.side), stopped])
    return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)


def some_writes(writes: Iterable[Write]) -> str:
    """Their names, in words."""
    return some_names(sorted({write.name for write in writes}))


def some_names(names: Sequence[str]) -> str:
    """The first few, in words."""
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
    return "older" if 0 < found < acknowledged.sequence else "with content that nobody wrote"


def _sequence(write: Write) -> int:
    return write.sequence


def _ended(write: Write) -> float:
    return write.ended
