"""An observer that cannot fail is worth nothing: every field of the evidence, altered, is noticed, or is named here as
not judged, with the reason why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from tests.unit.observer.staged import CLEAN, DESTINATION, SOURCE, STOPPED, by_name

from hcp_dr_lab.observer.evidence import KINDS, Closing, Evidence
from hcp_dr_lab.observer.judge import judge

NOT_JUDGED = {
    ("Write", "detail"): "words for people",
    ("Write", "address"): "tells one API server of a side from another; the rules ask only for the side",
    ("Readiness", "detail"): "words for people",
    ("Probe", "detail"): "words for people, told with a failure",
    ("Probe", "started"): "orders the probes of a target; the end tells whether the prober slept",
}


def every(kind: str, **changes: Any) -> Evidence:
    """All values of a kind, altered."""
    return replace(CLEAN, **{kind: tuple(replace(one, **changes) for one in getattr(CLEAN, kind))})  # type: ignore[arg-type]


def one(kind: str, chosen: Callable[[Any], bool], **changes: Any) -> Evidence:
    """The first that is chosen, altered."""
    values = list(getattr(CLEAN, kind))
    number = next(number for number, value in enumerate(values) if chosen(value))
    values[number] = replace(values[number], **changes)
    return replace(CLEAN, **{kind: tuple(values)})  # type: ignore[arg-type]


def frame(**changes: Any) -> Evidence:
    return replace(CLEAN, closing=replace(CLEAN.closing, **changes))


ALTERED: dict[tuple[str, str], Evidence] = {
    ("Closing", "source"): frame(source="mgmt-3"),
    ("Closing", "destination"): frame(destination="mgmt-3"),
    ("Closing", "stopped"): frame(stopped=STOPPED + 50),
    ("Closing", "neighbour"): replace(frame(neighbour="next"), belongings=()),
    ("Closing", "read_back"): frame(read_back={}),
    ("Closing", "source_left"): frame(source_left=("Namespace x",)),
    ("Write", "name"): one("writes", lambda write: write.acknowledged, name="another"),
    ("Write", "sequence"): one("writes", lambda write: write.name == "cm-9", sequence=2),
    ("Write", "started"): one("writes", lambda write: write.side == DESTINATION, started=0.0),
    ("Write", "ended"): one("writes", lambda write: write.side == SOURCE, ended=99.0),
    ("Write", "acknowledged"): one("writes", lambda write: write.name.startswith("late"), acknowledged=True),
    ("Write", "verb"): one("writes", lambda write: write.name == "cm-9", verb="delete"),
    ("Write", "side"): one("writes", lambda write: write.side == DESTINATION and write.started == 80, side=SOURCE),
    ("Write", "kept"): every("writes", kept=False),
    ("Write", "refused"): replace(
        CLEAN,
        closing=frame(read_back={**(CLEAN.closing.read_back or {}), "cm-9": 2}).closing,
        writes=(*CLEAN.writes, replace(by_name("cm-9", 98, 2, "update", acknowledged=False), refused=True)),
    ),
    ("Readiness", "side"): one("readiness", lambda sample: sample.side == DESTINATION, side=SOURCE),
    ("Readiness", "address"): one("readiness", lambda sample: sample.side == SOURCE, address="10.88.1.9"),
    ("Readiness", "started"): one("readiness", lambda sample: sample.side == DESTINATION, started=1.0),
    ("Readiness", "ended"): one("readiness", lambda sample: sample.ready, ended=99.0),
    ("Readiness", "ready"): one("readiness", lambda sample: not sample.ready and sample.started > 50, ready=True),
    ("Probe", "target"): one("probes", lambda probe: probe.answered, target="another"),
    ("Probe", "ended"): every("probes", ended=0.0),
    ("Probe", "answered"): every("probes", answered=False),
    ("Probe", "of"): every("probes", of="neighbour"),
    ("Sight", "at"): every("sights", at=0.0),
    ("Sight", "instances"): one("sights", lambda sight: sight.at == 50, instances={"i-1": "running"}),
    ("Sight", "protection"): one("sights", lambda sight: sight.at > STOPPED, protection={}),
    ("Sight", "node_uids"): one("sights", lambda sight: sight.at > STOPPED, node_uids={}),
    ("Sight", "node_boot_ids"): one("sights", lambda sight: sight.at == 50, node_boot_ids={"node-1": "x"}),
    ("Sight", "worker_boot_ids"): one("sights", lambda sight: sight.at == 50, worker_boot_ids={"node-1": "x"}),
    ("Sight", "containers"): one("sights", lambda sight: sight.at > STOPPED, containers={}),
    ("Sight", "restarts"): one("sights", lambda sight: sight.at > STOPPED, restarts={}),
    ("Belongings", "at"): every("belongings", at=0.0),
    ("Belongings", "topic"): one("belongings", lambda reading: reading.topic == "cloud", topic="foreign"),
    ("Belongings", "things"): one("belongings", lambda reading: reading.at == 50, things={}),
    ("Replicas", "at"): every("replicas", at=0.0),
    ("Replicas", "side"): every("replicas", side=SOURCE),
    ("Replicas", "deployment"): every("replicas", deployment="operator"),
    ("Replicas", "asked"): one("replicas", lambda count: count.side == DESTINATION and count.at == 50, asked=0),
    ("Replicas", "ready"): one("replicas", lambda count: count.at > STOPPED, ready=0),
}


def test_every_field_of_the_evidence_is_spoken_of() -> None:
    there = {(kind.__name__, field.name) for kind in (Closing, *KINDS) for field in fields(kind)}
    assert there == set(ALTERED) | set(NOT_JUDGED)
    assert not set(ALTERED) & set(NOT_JUDGED)


@pytest.mark.parametrize("evidence", ALTERED.values(), ids=map(".".join, ALTERED))
def test_an_altered_field_is_noticed(evidence: Evidence) -> None:
    assert evidence != CLEAN
    assert judge(evidence).reasons


@pytest.mark.parametrize("kind", ["writes", "readiness", "probes", "sights", "belongings", "replicas"])
def test_a_kind_of_evidence_that_is_missing_is_noticed(kind: str) -> None:
    assert judge(replace(CLEAN, **{kind: ()})).reasons  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("writes", {"detail": "x"}), ("readiness", {"detail": "x"}), ("probes", {"detail": "x"})],
)
def test_words_for_people_decide_nothing(kind: str, changes: dict[str, str]) -> None:
    assert not judge(every(kind, **changes)).reasons
