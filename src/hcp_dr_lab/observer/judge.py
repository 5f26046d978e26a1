"""The rules by which a relocation is judged: what was seen goes in, the verdict and its reasons come out.

A rule whose evidence is missing fails: what was not measured is not passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from hcp_dr_lab.observer.evidence import Evidence, Probe, Readiness, Sight, Write

ENOUGH_WRITES = 100
"""More than so many acknowledged writes must stand before a relocation starts, or a verdict says little."""

OVN_NAMESPACE = "openshift-ovn-kubernetes"
_ALIVE = frozenset({"pending", "running"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """The observer's words. `reasons` is empty exactly when the relocation passed."""

    acknowledged: int
    lost: tuple[str, ...]
    api_downtime_s: float
    instances_before: tuple[str, ...]
    instances_after: tuple[str, ...]
    instances_terminated: tuple[str, ...]
    nodes_before: Mapping[str, str]
    nodes_after: Mapping[str, str]
    boot_ids_changed: tuple[str, ...]
    probes: int
    failed: tuple[str, ...]
    container_restarts: tuple[str, ...]
    split_brain: bool
    source_left: tuple[str, ...]
    reasons: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        return not self.reasons


def judge(evidence: Evidence) -> Verdict:
    """Every rule over all that was seen."""
    before, after = first_and_last(evidence.sights, "instances")
    nodes_before, nodes_after = first_and_last(evidence.sights, "node_uids")
    failed = tuple(failed_workloads(evidence.probes))
    overlaps = tuple(overlapping(ready_windows(evidence.readiness)))
    verdict = Verdict(
        acknowledged=sum(write.acknowledged for write in evidence.writes),
        lost=tuple(lost_writes(evidence.writes, evidence.read_back or {})),
        api_downtime_s=round(longest_gap(evidence.writes, evidence.stopped), 3),
        instances_before=_alive(before),
        instances_after=_alive(after),
        instances_terminated=tuple(terminated(evidence.sights)),
        nodes_before=nodes_before,
        nodes_after=nodes_after,
        boot_ids_changed=tuple(changed_boot_ids(evidence.sights)),
        probes=len(evidence.probes),
        failed=failed,
        container_restarts=tuple(restarted(*first_and_last(evidence.sights, "containers"))),
        split_brain=bool(overlaps),
        source_left=evidence.source_left or (),
    )
    reasons = (*_not_measured(evidence), *_violations(verdict, overlaps))
    return Verdict(**{name: getattr(verdict, name) for name in Verdict.__slots__ if name != "reasons"}, reasons=reasons)


def lost_writes(writes: Iterable[Write], read_back: Mapping[str, int]) -> Iterator[str]:
    """Names of acknowledged ConfigMaps that are absent, or older than the last acknowledged content."""
    newest: dict[str, int] = {}
    for write in writes:
        if write.acknowledged:
            newest[write.name] = max(write.sequence, newest.get(write.name, 0))
    for name, sequence in sorted(newest.items()):
        if read_back.get(name, 0) < sequence:
            yield name


def longest_gap(writes: Iterable[Write], stopped: float) -> float:
    """Seconds of the longest time between two successful requests; the end of writing closes the last gap."""
    moments = sorted([*(write.ended for write in writes if write.acknowledged), stopped])
    return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)


def failed_workloads(probes: Iterable[Probe]) -> Iterator[str]:
    """A target, once for each time that it gave no answer twice or more in a row."""
    in_order = sorted(probes, key=lambda probe: (probe.target, probe.started))
    for (target, answered), run in groupby(in_order, key=lambda probe: (probe.target, probe.answered)):
        missed = list(run)
        if not answered and len(missed) > 1:
            yield f"{target} ({len(missed)} times in a row, {missed[-1].detail})"


@dataclass(frozen=True, slots=True)
class Window:
    """A kube-apiserver answered as ready from the first to the last of a run of answers."""

    side: str
    address: str
    opened: float
    closed: float


def ready_windows(readiness: Iterable[Readiness]) -> list[Window]:
    """The widest time that a run of ready answers may stand for: first question to last answer."""
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
    """Pairs of windows of different sides that share a moment."""
    for number, one in enumerate(windows):
        for other in windows[number + 1 :]:
            if one.side != other.side and one.opened <= other.closed and other.opened <= one.closed:
                yield one, other


def terminated(sights: Iterable[Sight]) -> Iterator[str]:
    """Instances that ran once, and were later anything else than running, or gone."""
    seen: set[str] = set()
    reported: set[str] = set()
    for sight in sights:
        if sight.instances is None:
            continue
        alive = set(_alive(sight.instances))
        fallen = seen - alive - reported
        yield from sorted(fallen)
        reported |= fallen
        seen |= alive


def changed_boot_ids(sights: Iterable[Sight]) -> list[str]:
    """Nodes with more than one boot ID over the time, by the hosted API or by the hypervisor."""
    changed: set[str] = set()
    first: dict[tuple[str, str], str] = {}
    for sight in sights:
        for told_by, boot_ids in (("api", sight.node_boot_ids), ("hypervisor", sight.worker_boot_ids)):
            for node, boot_id in (boot_ids or {}).items():
                if first.setdefault((told_by, node), boot_id) != boot_id:
                    changed.add(node)
    return sorted(changed)


def restarted(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Containers of before whose ID is another or gone; the pods that the procedure itself restarts aside."""
    for container, container_id in sorted(before.items()):
        if not container.startswith(f"{OVN_NAMESPACE}/") and after.get(container) != container_id:
            yield container


def first_and_last(sights: Iterable[Sight], name: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """The first and the last of all readings of one field."""
    readings = [getattr(sight, name) for sight in sights if getattr(sight, name) is not None]
    return (readings[0], readings[-1]) if readings else ({}, {})


def _alive(instances: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(name for name, state in instances.items() if state in _ALIVE))


def _not_measured(evidence: Evidence) -> Iterator[str]:
    if evidence.read_back is None:
        yield "the acknowledged writes could not be read back through the hosted API at the end"
    if evidence.source_left is None:
        yield f"what is left on the source {evidence.source} could not be read"
    if not evidence.probes:
        yield "no workload pod was probed"
    for side in (evidence.source, evidence.destination):
        if not any(sample.side == side and sample.ready for sample in evidence.readiness):
            yield f"no kube-apiserver of {side} was ever seen ready at its own address"
    for name, words in _MEASURED.items():
        readings = [sight for sight in evidence.sights if getattr(sight, name) is not None]
        if not readings or not getattr(readings[0], name):
            yield f"{words} were not read before"
        elif readings[-1].at < evidence.stopped:
            yield f"{words} were not read after"


_MEASURED = {
    "instances": "the EC2 instances",
    "node_uids": "the nodes",
    "node_boot_ids": "the boot IDs that the hosted API tells",
    "worker_boot_ids": "the boot IDs that the hypervisor tells",
    "containers": "the workload's containers",
}


def _violations(verdict: Verdict, overlaps: tuple[tuple[Window, Window], ...]) -> Iterator[str]:
    if verdict.acknowledged <= ENOUGH_WRITES:
        yield f"only {verdict.acknowledged} writes were acknowledged, more than {ENOUGH_WRITES} are needed"
    if verdict.lost:
        yield f"{len(verdict.lost)} acknowledged writes are lost: {_some(verdict.lost)}"
    if verdict.instances_terminated:
        yield f"instances did not stay running: {_some(verdict.instances_terminated)}"
    if verdict.instances_before != verdict.instances_after:
        ran, run = _some(verdict.instances_before), _some(verdict.instances_after)
        yield f"the running instances were {ran} and are {run}"
    if verdict.nodes_before != verdict.nodes_after:
        yield f"the nodes were {_pairs(verdict.nodes_before)} and are {_pairs(verdict.nodes_after)}"
    if verdict.boot_ids_changed:
        yield f"nodes were rebooted: {_some(verdict.boot_ids_changed)}"
    if verdict.failed:
        yield f"workloads did not answer: {_some(verdict.failed)}"
    if verdict.container_restarts:
        yield f"containers were restarted or replaced: {_some(verdict.container_restarts)}"
    for one, other in overlaps[:3]:
        seconds = min(one.closed, other.closed) - max(one.opened, other.opened)
        yield (
            f"split brain: {one.address} on {one.side} and {other.address} on {other.side} "
            f"were both ready for up to {seconds:.1f} s"
        )
    if verdict.source_left:
        yield f"on the source is left: {_some(verdict.source_left)}"


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return (", ".join(names[:5]) or "none") + more


def _pairs(nodes: Mapping[str, str]) -> str:
    return _some(tuple(f"{name} ({uid})" for name, uid in sorted(nodes.items())))
