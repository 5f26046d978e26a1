"""The rules except for writes: workers and workloads (I1), API servers (I2), objects of other owners (I5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from hcp_dr_lab.observer.evidence import Belongings, Evidence, Owner, Probe, Readiness, Replicas, Sight, Topic
from hcp_dr_lab.observer.writes import after_the_destination, after_the_snapshot, some_writes

OVN_NAMESPACE = "openshift-ovn-kubernetes"
API_PROXY = "kube-system/kube-apiserver-proxy-"  # followed by the node's name
_ALIVE = frozenset({"pending", "running"})


def terminated(sights: Iterable[Sight]) -> Iterator[str]:
    """Find instances that were running once, and later missing or in another state."""
    seen: set[str] = set()
    reported: set[str] = set()
    for sight in sights:
        if sight.instances is None:
            continue
        living = set(alive(sight.instances))
        fallen = seen - living - reported
        yield from sorted(fallen)
        reported |= fallen
        seen |= living


def surplus(sights: Iterable[Sight]) -> list[str]:
    """Find instances that did not exist at first: a relocation needs no new instance, even temporarily."""
    readings = [sight.instances for sight in sights if sight.instances is not None]
    if not readings:
        return []
    later = {name for reading in readings[1:] for name in (*alive(reading), *(reading.keys() - readings[0].keys()))}
    return sorted(later - set(alive(readings[0])))


def changed_boot_ids(sights: Iterable[Sight]) -> list[str]:
    """Find nodes with more than one boot ID, in the hosted API or in the hypervisor."""
    changed: set[str] = set()
    first: dict[tuple[str, str], str] = {}
    for sight in sights:
        for source, boot_ids in (("api", sight.node_boot_ids), ("hypervisor", sight.worker_boot_ids)):
            for node, boot_id in (boot_ids or {}).items():
                if first.setdefault((source, node), boot_id) != boot_id:
                    changed.add(node)
    return sorted(changed)


def restarted(sights: Sequence[Sight]) -> list[str]:
    """Find containers that were replaced, removed or restarted, except in pods that the procedure restarts. A node's
    API proxy is restarted by its liveness probe while the API is unavailable, so the proxy only needs to exist."""
    before, after = first_and_last(sights, "containers")
    restarts_before, restarts_after = first_and_last(sights, "restarts")
    replaced = {name for name, container_id in before.items() if after.get(name) != container_id}
    counted = {name for name, restarts in restarts_before.items() if restarts_after.get(name) != restarts}
    proxies_that_stayed = {name for name in after if name.startswith(API_PROXY)}
    found = (replaced | counted) - proxies_that_stayed
    return sorted(name for name in found if not name.startswith(f"{OVN_NAMESPACE}/"))


def failed_targets(probes: Iterable[Probe], of: Owner) -> Iterator[str]:
    """Find targets with two or more consecutive failed probes, once for each such series."""
    mine = [probe for probe in probes if probe.of == of]
    in_order = sorted(mine, key=lambda probe: (probe.target, probe.started))
    for (target, answered), run in groupby(in_order, key=lambda probe: (probe.target, probe.answered)):
        missed = list(run)
        if not answered and len(missed) > 1:
            yield f"{target} ({len(missed)} times in a row, {missed[-1].detail})"


@dataclass(frozen=True, slots=True)
class Window:
    """A kube-apiserver was ready from the first to the last of consecutive answers."""

    side: str
    address: str
    opened: float
    closed: float


def split_brains(evidence: Evidence) -> Iterator[str]:
    """Describe every case in which both sides could accept writes."""
    closing = evidence.closing
    source, destination = closing.source, closing.destination
    for one, other in list(overlapping(ready_windows(evidence.readiness)))[:3]:
        seconds = min(one.closed, other.closed) - max(one.opened, other.opened)
        yield (
            f"split brain: {one.address} on {one.side} and {other.address} on {other.side} "
            f"were both ready for up to {seconds:.1f} s"
        )
    first, late = after_the_destination(evidence.writes, source, destination)
    if late:
        seconds = max(write.ended for write in late) - first
        yield (
            f"split brain: the source {source} acknowledged {len(late)} writes ({some_writes(late)}) after the "
            f"first write on the destination {destination}, up to {seconds:.1f} s later"
        )
    missing = after_the_snapshot(evidence.writes, closing.read_back or {}, source)
    served = first != float("inf") or any(sample.ready for sample in evidence.readiness if sample.side == destination)
    if missing and served and closing.read_back is not None:
        yield (
            f"split brain: the source {source} acknowledged {len(missing)} writes ({some_writes(missing)}) after the "
            f"snapshot that was restored on the destination {destination}"
        )


def ready_windows(readiness: Iterable[Readiness]) -> list[Window]:
    """Return the longest possible time of consecutive ready answers: from the first request to the last answer."""
    in_order = sorted(readiness, key=lambda sample: (sample.side, sample.address, sample.started))
    windows = []
    for (side, address, ready), run in groupby(
        in_order, key=lambda sample: (sample.side, sample.address, sample.ready)
    ):
        samples = list(run)
        if ready:
            windows.append(Window(side, address, samples[0].started, max(sample.ended for sample in samples)))
    return windows


def overlapping(windows: list[Window]) -> Iterator[tuple[Window, Window]]:
    """Find pairs of windows of different sides that overlap."""
    for number, one in enumerate(windows):
        for other in windows[number + 1 :]:
            if one.side != other.side and one.opened <= other.closed and other.opened <= one.closed:
                yield one, other


def changed_things(readings: Sequence[Belongings]) -> Iterator[str]:
    """Find things that are missing, changed or new in a later reading than the first, once each."""
    if not readings:
        return
    first, seen = readings[0].things, set[str]()
    for reading in readings[1:]:
        for thing in sorted({*first, *reading.things} - seen):
            was, is_now = first.get(thing), reading.things.get(thing)
            if was != is_now:
                seen.add(thing)
                yield f"{thing} is {'gone' if is_now is None else 'new' if was is None else 'another'}"


def stopped_for(samples: Sequence[Replicas], stopped: float) -> float:
    """Return the seconds with fewer requested or Ready pods than at first. Counted from the last sample before to the
    first sample after, so the result is an upper limit."""
    if not samples:
        return 0.0
    first = samples[0]
    whole = [sample.asked >= first.asked and sample.ready >= first.ready for sample in samples]
    moments = [*(sample.at for sample in samples), max(stopped, samples[-1].at)]
    ends = pairwise([*whole, whole[-1]])
    return sum(moments[n + 1] - moments[n] for n, (here, there) in enumerate(ends) if not (here and there))


def first_and_last(sights: Iterable[Sight], name: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the first and the last reading of one field."""
    readings = [getattr(sight, name) for sight in sights if getattr(sight, name) is not None]
    return (readings[0], readings[-1]) if readings else ({}, {})


def alive(instances: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(name for name, state in instances.items() if state in _ALIVE))


def different(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    return sorted(name for name, value in before.items() if after.get(name) != value)


def of_topic(belongings: Iterable[Belongings], topic: Topic) -> list[Belongings]:
    return sorted((reading for reading in belongings if reading.topic == topic), key=lambda reading: reading.at)


def replicas_of(evidence: Evidence, side: str, deployment: str) -> list[Replicas]:
    mine = (sample for sample in evidence.replicas if (sample.side, sample.deployment) == (side, deployment))
    return sorted(mine, key=lambda sample: sample.at)
