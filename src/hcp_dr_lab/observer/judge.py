"""Judge a relocation: from the evidence to the verdict with reasons.

The rules are the invariants I1 (instances, nodes, containers), I2 (one control plane at a time), I3 (no acknowledged
write is lost) and I5 (objects of other owners are untouched) of docs/invariants.md. A rule without evidence fails.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hcp_dr_lab.observer.evidence import Evidence, Topic
from hcp_dr_lab.observer.measured import EXTERNAL_DNS, OPERATOR, not_measured
from hcp_dr_lab.observer.rules import (
    alive,
    changed_boot_ids,
    changed_things,
    different,
    failed_targets,
    first_and_last,
    of_topic,
    replicas_of,
    restarted,
    split_brains,
    stopped_for,
    surplus,
    terminated,
)
from hcp_dr_lab.observer.writes import Lost, longest_gap, lost_writes, some_names

MAX_OPERATOR_STOPPED_SECONDS = 300.0
"""The HyperShift operator of the source may be stopped for this time: its other hosted clusters are unmanaged then."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The observer's verdict. `reasons` is empty exactly when the relocation passed.

    acknowledged: writes by the API's public name. lost: names of ConfigMaps. instances_new: instances that did not
    exist before. content_samples, volumes_watched, foreign_watched: numbers of watched things. operator_stopped_s: see
    `stopped_for`.
    """

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
    instances_new: tuple[str, ...] = ()
    protection_changed: tuple[str, ...] = ()
    content_samples: int = 0
    content_changed: tuple[str, ...] = ()
    volumes_watched: int = 0
    volumes_changed: tuple[str, ...] = ()
    cloud_changed: tuple[str, ...] = ()
    neighbour: str = ""
    neighbour_changed: tuple[str, ...] = ()
    neighbour_failed: tuple[str, ...] = ()
    foreign_watched: int = 0
    foreign_changed: tuple[str, ...] = ()
    operator_stopped_s: float = 0.0
    reasons: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        return not self.reasons


def judge(evidence: Evidence) -> Verdict:
    """Apply every rule to the evidence."""
    closing = evidence.closing
    sights = sorted(evidence.sights, key=lambda sight: sight.at)
    before, after = first_and_last(sights, "instances")
    nodes_before, nodes_after = first_and_last(sights, "node_uids")
    lost = tuple(lost_writes(evidence.writes, closing.read_back or {}))
    brains = tuple(split_brains(evidence))
    topics: tuple[Topic, ...] = ("content", "volumes", "foreign")
    content, volumes, foreign = (of_topic(evidence.belongings, topic) for topic in topics)
    verdict = Verdict(
        acknowledged=sum(write.acknowledged and not write.side for write in evidence.writes),
        lost=tuple(one.name for one in lost),
        api_downtime_s=round(longest_gap(evidence.writes, closing.stopped), 3),
        instances_before=alive(before),
        instances_after=alive(after),
        instances_terminated=tuple(terminated(sights)),
        instances_new=tuple(surplus(sights)),
        protection_changed=tuple(different(*first_and_last(sights, "protection"))),
        nodes_before=nodes_before,
        nodes_after=nodes_after,
        boot_ids_changed=tuple(changed_boot_ids(sights)),
        probes=sum(probe.of == "workload" for probe in evidence.probes),
        failed=tuple(failed_targets(evidence.probes, "workload")),
        container_restarts=tuple(restarted(sights)),
        split_brain=bool(brains),
        source_left=closing.source_left or (),
        content_samples=len(content[0].things) if content else 0,
        content_changed=tuple(changed_things(content)),
        volumes_watched=len(volumes[0].things) if volumes else 0,
        volumes_changed=tuple(changed_things(volumes)),
        cloud_changed=tuple(changed_things(of_topic(evidence.belongings, "cloud"))),
        neighbour=closing.neighbour,
        neighbour_changed=tuple(changed_things(of_topic(evidence.belongings, "neighbour"))),
        neighbour_failed=tuple(failed_targets(evidence.probes, "neighbour")),
        foreign_watched=len(foreign[0].things) if foreign else 0,
        foreign_changed=tuple(changed_things(foreign)),
        operator_stopped_s=round(stopped_for(replicas_of(evidence, closing.source, OPERATOR), closing.stopped), 3),
    )
    reasons = (*not_measured(evidence), *_violations(verdict, lost), *brains, *_not_as_before(evidence))
    return replace(verdict, reasons=reasons)


def _violations(verdict: Verdict, lost: Sequence[Lost]) -> Iterator[str]:
    if lost:
        yield f"{len(lost)} acknowledged writes are lost: {some_names([f'{one.name} ({one.why})' for one in lost])}"
    if verdict.nodes_before != verdict.nodes_after:
        yield f"the nodes were {_pairs(verdict.nodes_before)} and are {_pairs(verdict.nodes_after)}"
    if verdict.operator_stopped_s > MAX_OPERATOR_STOPPED_SECONDS:
        yield (
            f"the source's HyperShift operator was stopped for {verdict.operator_stopped_s:.0f} s, "
            f"longer than {MAX_OPERATOR_STOPPED_SECONDS:.0f} s"
        )
    for names, words in (
        (verdict.instances_terminated, "instances did not stay running"),
        (verdict.instances_new, "unexpected instances appeared"),
        (verdict.protection_changed, "the termination protection was changed"),
        (verdict.boot_ids_changed, "nodes were rebooted"),
        (verdict.failed, "workloads did not answer"),
        (verdict.container_restarts, "containers were restarted or replaced"),
        (verdict.content_changed, "the hosted cluster's content was changed"),
        (verdict.volumes_changed, "volumes of the hosted cluster were changed"),
        (verdict.cloud_changed, "AWS resources of the hosted cluster were changed"),
        (verdict.neighbour_changed, f"the neighbour {verdict.neighbour} was touched"),
        (verdict.neighbour_failed, f"the neighbour {verdict.neighbour} did not answer"),
        (verdict.foreign_changed, "objects of other owners were touched"),
        (verdict.source_left, "left on the source"),
    ):
        if names:
            yield f"{words}: {some_names(names)}"


def _not_as_before(evidence: Evidence) -> Iterator[str]:
    """Check the operators and external-dns of both sides; other hosted clusters need them."""
    closing = evidence.closing
    for side in (closing.source, closing.destination):
        for deployment in (OPERATOR, EXTERNAL_DNS):
            samples = replicas_of(evidence, side, deployment)
            if not samples:
                continue
            first, last = samples[0], samples[-1]
            if (last.asked, last.ready) != (first.asked, first.ready):
                yield (
                    f"the Deployment {deployment} of {side} had {first.ready} of {first.asked} pods Ready and has "
                    f"{last.ready} of {last.asked}"
                )
    at_zero = [sample for sample in replicas_of(evidence, closing.destination, OPERATOR) if not sample.asked]
    if at_zero:
        yield f"the HyperShift operator of the destination {closing.destination} was stopped without a reason"


def _pairs(nodes: Mapping[str, str]) -> str:
    return some_names(tuple(f"{name} ({uid})" for name, uid in sorted(nodes.items())))
