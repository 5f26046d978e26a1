"""Describe missing evidence: a rule without evidence fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from hcp_dr_lab.observer.evidence import Closing, Evidence, Topic
from hcp_dr_lab.observer.rules import of_topic, replicas_of

MIN_WRITES = 100
"""A relocation starts only after more acknowledged writes than this, for a meaningful verdict."""

BLIND_SECONDS = 30.0
"""A watcher without any reading for longer than this was blind."""

OPERATOR = "operator"
EXTERNAL_DNS = "external-dns"

_SIGHTS = {
    "instances": "the EC2 instances",
    "protection": "the instances' termination protection",
    "node_uids": "the nodes",
    "node_boot_ids": "the boot IDs in the hosted API",
    "worker_boot_ids": "the boot IDs of the hypervisor",
    "containers": "the workload's containers",
    "restarts": "the restarts of the workload's containers",
}
_TOPICS: dict[Topic, str] = {
    "content": "the samples of the hosted cluster's content",
    "volumes": "the hosted cluster's volumes",
    "cloud": "the hosted cluster's AWS resources",
    "neighbour": "the neighbour",
    "foreign": "objects of other owners",
}


def not_measured(evidence: Evidence) -> Iterator[str]:
    closing = evidence.closing
    if closing.read_back is None:
        yield "the acknowledged writes could not be read back through the hosted API at the end"
    if closing.source_left is None:
        yield f"leftovers on the source {closing.source} could not be read"
    yield from _not_written(evidence)
    yield from _not_read(evidence)
    yield from _blind(evidence)


def _not_written(evidence: Evidence) -> Iterator[str]:
    acknowledged = [write for write in evidence.writes if write.acknowledged]
    by_name = [write for write in acknowledged if not write.side]
    if len(by_name) <= MIN_WRITES:
        yield f"only {len(by_name)} writes were acknowledged, more than {MIN_WRITES} are needed"
    for verb in ("create", "update", "delete"):
        if not any(write.verb == verb for write in by_name):
            yield f"no {verb} was acknowledged"
    for side in (evidence.closing.source, evidence.closing.destination):
        if not any(sample.side == side and sample.ready for sample in evidence.readiness):
            yield f"no kube-apiserver of {side} was ever seen ready at its own address"
        mine = [write for write in acknowledged if write.side == side]
        for kept, words in ((False, "a new connection"), (True, "a kept connection")):
            if not any(write.kept == kept for write in mine):
                yield f"no kube-apiserver of {side} ever acknowledged a write at its own address on {words}"


def _not_read(evidence: Evidence) -> Iterator[str]:
    closing = evidence.closing
    for name, words in _SIGHTS.items():
        sights = [sight for sight in evidence.sights if getattr(sight, name) is not None]
        first = min(sights, key=lambda sight: sight.at, default=None)
        yield from _before_and_after(
            words,
            [sight.at for sight in sights],
            closing,
            something=first is not None and bool(getattr(first, name)),
        )
    for topic, words in _TOPICS.items():
        if topic == "neighbour" and not closing.neighbour:
            continue
        readings = of_topic(evidence.belongings, topic)
        something = bool(readings and readings[0].things)
        yield from _before_and_after(words, [reading.at for reading in readings], closing, something=something)
    for side in (closing.source, closing.destination):
        for deployment in (OPERATOR, EXTERNAL_DNS):
            samples = replicas_of(evidence, side, deployment)
            something = bool(samples and samples[0].asked and samples[0].ready)
            words = f"the running {deployment} of {side}"
            yield from _before_and_after(words, [sample.at for sample in samples], closing, something=something)


def _before_and_after(words: str, moments: Sequence[float], closing: Closing, *, something: bool) -> Iterator[str]:
    if not something:
        yield f"{words} could not be read before"
    elif max(moments) < closing.stopped:
        yield f"{words} could not be read after"


def _blind(evidence: Evidence) -> Iterator[str]:
    """Find gaps in the readings of watchers. Watchers through an API that may be unavailable during a relocation are
    excluded."""
    closing = evidence.closing
    began = min((write.started for write in evidence.writes), default=closing.stopped)
    if not any(probe.of == "workload" for probe in evidence.probes):
        yield "no workload pod was probed"
    if closing.neighbour and not any(probe.of == "neighbour" for probe in evidence.probes):
        yield f"the neighbour {closing.neighbour} was not probed"
    watched: dict[str, list[float]] = {"writes by name": [began], "EC2 instances": [began]}
    for write in evidence.writes:
        place = f"writes on {write.side} at {write.address}" if write.side else "writes by name"
        watched.setdefault(place, []).append(write.ended)
    for sample in evidence.readiness:
        watched.setdefault(f"readiness on {sample.side} at {sample.address}", []).append(sample.ended)
    for probe in evidence.probes:
        watched.setdefault(f"probes of {probe.target}", [began]).append(probe.ended)
    watched["EC2 instances"] += [sight.at for sight in evidence.sights if sight.instances is not None]
    for words, moments in watched.items():
        longest = max(later - earlier for earlier, later in pairwise(sorted([*moments, closing.stopped])))
        if longest > BLIND_SECONDS:
            yield f"the observer was blind for {longest:.0f} s: {words}"
