"""The drill's result for machines and for people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hcp_dr_lab.drill.region import turned
from hcp_dr_lab.observer.judge import Verdict
from hcp_dr_lab.observer.report import Outcome, Relocation, as_object, as_text, parse_relocation

VERDICT = Verdict(
    acknowledged=240,
    lost=(),
    api_downtime_s=12.345,
    instances_before=("i-1", "i-2"),
    instances_after=("i-1", "i-2"),
    instances_terminated=(),
    nodes_before={"a": "1", "b": "2"},
    nodes_after={"a": "1", "b": "2"},
    boot_ids_changed=(),
    probes=99,
    failed=(),
    container_restarts=(),
    split_brain=False,
    source_left=(),
    content_samples=61,
    volumes_watched=3,
    volumes_changed=("PersistentVolumeClaim x is gone",),
    neighbour="demo2",
    foreign_watched=30,
    operator_stopped_s=12.5,
)
OUTCOME = Outcome(
    "demo",
    "mgmt-1",
    "mgmt-2",
    Relocation(0, "/backup", (("backup", 3.5),)),
    VERDICT,
    61.04,
    evidence_dir="/evidence",
)


def test_the_object_has_exactly_the_agreed_keys() -> None:
    document = as_object(OUTCOME)
    assert document == {
        "result": "passed",
        "region": "real",
        "duration_s": 61.0,
        "api_downtime_s": 12.345,
        "writes": {"acknowledged": 240, "lost": 0},
        "instances": {
            "before": ["i-1", "i-2"],
            "after": ["i-1", "i-2"],
            "terminated": [],
            "new": [],
            "protection_changed": [],
        },
        "nodes": {"before": {"a": "1", "b": "2"}, "after": {"a": "1", "b": "2"}, "boot_ids_changed": []},
        "workloads": {"probes": 99, "failed": 0, "container_restarts": 0},
        "split_brain": False,
        "content": {"sampled": 61, "changed": []},
        "volumes": {"watched": 3, "changed": ["PersistentVolumeClaim x is gone"]},
        "cloud": {"changed": []},
        "neighbour": {"name": "demo2", "changed": [], "failed": 0},
        "foreign": {"watched": 30, "changed": []},
        "operator_stopped_s": 12.5,
        "source_left": [],
        "phases": [{"name": "backup", "seconds": 3.5}],
        "backup_dir": "/backup",
        "evidence_dir": "/evidence",
        "reasons": [],
    }


def test_a_violation_fails_the_drill_and_is_told() -> None:
    failed = replace(OUTCOME, verdict=replace(VERDICT, lost=("x",), reasons=("1 acknowledged writes are lost: x",)))
    assert as_object(failed)["result"] == "failed"
    assert as_object(failed)["writes"]["lost"] == 1
    assert as_text(failed).startswith("FAILED: demo from mgmt-1 to mgmt-2")
    assert "because 1 acknowledged writes are lost: x" in as_text(failed)


def test_a_relocation_that_ended_badly_fails_the_drill_whatever_was_seen() -> None:
    assert as_object(replace(OUTCOME, relocation=Relocation(60)))["result"] == "failed"


def test_a_relocation_with_warnings_is_done() -> None:
    assert replace(OUTCOME, relocation=Relocation(1)).passed


def test_the_summary_is_short() -> None:
    assert len(as_text(OUTCOME).splitlines()) == 11


def test_a_drill_without_a_neighbour_says_so() -> None:
    alone = replace(OUTCOME, verdict=replace(VERDICT, neighbour=""))
    assert as_object(alone)["neighbour"] is None
    assert "neighbour" not in as_text(alone)


def test_a_neighbour_that_was_harmed_is_told() -> None:
    for harm in ({"neighbour_changed": ("Machine x is gone",)}, {"neighbour_failed": ("its API",)}):
        harmed = replace(OUTCOME, verdict=replace(VERDICT, **harm))  # type: ignore[arg-type]
        assert "neighbour demo2 HARMED" in as_text(harmed)


def test_what_relocate_prints_is_parsed() -> None:
    document = {"result": "done", "backup_dir": "/b", "phases": [{"name": "fence", "seconds": 2}]}
    assert parse_relocation(0, document) == Relocation(0, "/b", (("fence", 2.0),))
    assert parse_relocation(21, {}) == Relocation(21)


THERE = "MGMT_KUBECONFIG=/one\nMGMT2_KUBECONFIG=/two\nBUCKET_NAME=b\nBACKUP_DIR=/folder/backup\n"


def test_the_way_there_keeps_the_variables_but_the_folder() -> None:
    wanted = THERE.replace("/folder", "/new")
    assert turned(THERE, swap=False, folder=Path("/new")) == wanted


def test_the_way_back_swaps_the_sides() -> None:
    wanted = "MGMT2_KUBECONFIG=/one\nMGMT_KUBECONFIG=/two\nBUCKET_NAME=b\nBACKUP_DIR=/new/backup\n"
    assert turned(THERE, swap=True, folder=Path("/new")) == wanted
