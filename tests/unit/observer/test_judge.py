"""Each rule of the observer, by what breaks it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hcp_dr_lab.observer.evidence import Evidence, Probe, Readiness, Sight, Write
from hcp_dr_lab.observer.judge import Verdict, judge, longest_gap

STOPPED = 100.0


def write(number: int, sequence: int = 1, *, acknowledged: bool = True, name: str | None = None) -> Write:
    at = number * 0.5
    return Write(name or f"cm-{number}", sequence, at, at + 0.1, acknowledged)


def ready(side: str, at: float, *, is_ready: bool = True, address: str | None = None) -> Readiness:
    return Readiness(side, address or f"10.88.0.{side[-1]}", at, at + 0.05, is_ready)


def probe(at: float, *, answered: bool = True, target: str = "hello-1") -> Probe:
    return Probe(target, at, at + 0.01, answered, "" if answered else "timed out")


def sight(at: float) -> Sight:
    return Sight(
        at,
        instances={"i-1": "running", "i-2": "running"},
        node_uids={"node-1": "uid-1", "node-2": "uid-2"},
        node_boot_ids={"node-1": "boot-1", "node-2": "boot-2"},
        worker_boot_ids={"node-1": "boot-1", "node-2": "boot-2"},
        containers={"workload/hello-1/hello": "c-1", "openshift-ovn-kubernetes/ovnkube-node-1/ovn": "c-2"},
    )


CLEAN = Evidence(
    source="mgmt-1",
    destination="mgmt-2",
    stopped=STOPPED,
    writes=tuple(write(number) for number in range(199)),
    read_back={f"cm-{number}": 1 for number in range(199)},
    readiness=(
        *(ready("mgmt-1", at) for at in (1, 2, 3)),
        ready("mgmt-1", 4, is_ready=False),
        *(ready("mgmt-2", at) for at in (10, 11, 12)),
    ),
    probes=tuple(probe(float(at)) for at in range(100)),
    sights=(sight(0), sight(STOPPED + 1)),
    source_left=(),
)


def the_only_reason(verdict: Verdict) -> str:
    assert not verdict.passed
    assert len(verdict.reasons) == 1, verdict.reasons
    return verdict.reasons[0]


def with_last(**changes: object) -> Evidence:
    first, last = CLEAN.sights
    return replace(CLEAN, sights=(first, replace(last, **changes)))  # type: ignore[arg-type]


def test_a_clean_relocation_passes() -> None:
    verdict = judge(CLEAN)
    assert verdict.reasons == ()
    assert verdict.passed
    assert verdict.acknowledged == 199
    assert verdict.instances_before == verdict.instances_after == ("i-1", "i-2")


def test_an_absent_write_is_lost() -> None:
    verdict = judge(replace(CLEAN, read_back={f"cm-{number}": 1 for number in range(198)}))
    assert verdict.lost == ("cm-198",)
    assert "1 acknowledged writes are lost: cm-198" in the_only_reason(verdict)


def test_an_older_write_is_lost() -> None:
    newer = (*CLEAN.writes, write(1, 2, name="cm-0"), write(2, 3, name="cm-0"))
    assert judge(replace(CLEAN, writes=newer, read_back={**(CLEAN.read_back or {}), "cm-0": 2})).lost == ("cm-0",)
    assert judge(replace(CLEAN, writes=newer, read_back={**(CLEAN.read_back or {}), "cm-0": 3})).lost == ()


def test_a_write_that_was_not_acknowledged_may_be_there_or_not() -> None:
    newer = (
        *CLEAN.writes,
        write(1, 2, name="cm-0", acknowledged=False),
        write(1, name="x", acknowledged=False),
    )
    assert judge(replace(CLEAN, writes=newer)).passed
    assert judge(replace(CLEAN, writes=newer, read_back={**(CLEAN.read_back or {}), "cm-0": 2, "x": 1})).passed


def test_writes_that_cannot_be_read_back_do_not_pass() -> None:
    verdict = judge(replace(CLEAN, read_back=None))
    assert len(verdict.lost) == 199
    assert not verdict.passed


def test_too_few_writes_say_nothing() -> None:
    verdict = judge(replace(CLEAN, writes=CLEAN.writes[100:]))
    assert any("only 99 writes" in reason for reason in verdict.reasons)


def test_downtime_is_the_longest_gap_between_answers() -> None:
    writes = (write(0), write(1), write(2, acknowledged=False), write(20), write(21))
    assert longest_gap(writes, 10.7) == pytest.approx(9.5)


def test_an_api_that_never_comes_back_is_down_until_the_end() -> None:
    assert longest_gap((write(0), write(1)), STOPPED) == pytest.approx(99.4)


def test_one_missed_answer_is_no_failure() -> None:
    assert judge(replace(CLEAN, probes=(*CLEAN.probes, probe(50.5, answered=False)))).failed == ()


def test_two_missed_answers_in_a_row_are_a_failure() -> None:
    missed = (probe(50.3, answered=False), probe(50.6, answered=False))
    verdict = judge(replace(CLEAN, probes=(*CLEAN.probes, *missed)))
    assert len(verdict.failed) == 1
    assert "hello-1 (2 times in a row, timed out)" in the_only_reason(verdict)


def test_missed_answers_of_two_pods_are_not_in_a_row() -> None:
    missed = (
        probe(50.3, answered=False),
        probe(50.4, answered=False, target="hello-2"),
        probe(51, target="hello-2"),
    )
    assert judge(replace(CLEAN, probes=(*CLEAN.probes, *missed))).failed == ()


def test_a_new_container_is_a_restart() -> None:
    containers = {**(CLEAN.sights[0].containers or {}), "workload/hello-1/hello": "c-9"}
    verdict = judge(with_last(containers=containers))
    assert verdict.container_restarts == ("workload/hello-1/hello",)
    assert "restarted or replaced" in the_only_reason(verdict)


def test_a_vanished_container_is_a_restart() -> None:
    verdict = judge(with_last(containers={"openshift-ovn-kubernetes/ovnkube-node-1/ovn": "c-2"}))
    assert verdict.container_restarts == ("workload/hello-1/hello",)


def test_ovn_pods_are_restarted_by_the_procedure_itself() -> None:
    assert judge(with_last(containers={"workload/hello-1/hello": "c-1"})).passed


def test_ready_windows_that_overlap_are_a_split_brain() -> None:
    verdict = judge(replace(CLEAN, readiness=(*CLEAN.readiness, ready("mgmt-2", 2.5))))
    assert verdict.split_brain
    assert "split brain: 10.88.0.1 on mgmt-1 and 10.88.0.2 on mgmt-2" in the_only_reason(verdict)


def test_between_two_ready_answers_a_side_counts_as_ready() -> None:
    readiness = (ready("mgmt-1", 1), ready("mgmt-1", 9), ready("mgmt-2", 5))
    assert judge(replace(CLEAN, readiness=readiness)).split_brain


def test_two_servers_of_one_side_are_no_split_brain() -> None:
    other = tuple(ready("mgmt-1", at, address="10.88.1.77") for at in (1.5, 2.5))
    assert not judge(replace(CLEAN, readiness=(*CLEAN.readiness, *other))).split_brain


def test_a_terminated_instance() -> None:
    verdict = judge(with_last(instances={"i-1": "running", "i-2": "terminated"}))
    assert verdict.instances_terminated == ("i-2",)
    assert not verdict.passed


def test_an_instance_that_fell_in_between_and_came_back_is_told() -> None:
    first, last = CLEAN.sights
    between = Sight(50, instances={"i-1": "running", "i-2": "stopping"})
    verdict = judge(replace(CLEAN, sights=(first, between, last)))
    assert verdict.instances_terminated == ("i-2",)
    assert "did not stay running: i-2" in the_only_reason(verdict)


def test_an_instance_more_is_told() -> None:
    verdict = judge(with_last(instances={"i-1": "running", "i-2": "running", "i-3": "pending"}))
    assert "i-3" in the_only_reason(verdict)


def test_a_node_that_registered_anew() -> None:
    verdict = judge(with_last(node_uids={"node-1": "uid-1", "node-2": "uid-9"}))
    assert verdict.nodes_after["node-2"] == "uid-9"
    assert "uid-9" in the_only_reason(verdict)


@pytest.mark.parametrize("field", ["node_boot_ids", "worker_boot_ids"])
def test_a_changed_boot_id_of_either_teller(field: str) -> None:
    verdict = judge(with_last(**{field: {"node-1": "boot-1", "node-2": "boot-9"}}))
    assert verdict.boot_ids_changed == ("node-2",)
    assert the_only_reason(verdict) == "nodes were rebooted: node-2"


def test_what_is_left_on_the_source() -> None:
    verdict = judge(replace(CLEAN, source_left=("Namespace clusters-demo",)))
    assert the_only_reason(verdict) == "on the source is left: Namespace clusters-demo"


@pytest.mark.parametrize(
    "blind",
    [
        replace(CLEAN, source_left=None),
        replace(CLEAN, probes=()),
        replace(CLEAN, readiness=CLEAN.readiness[:4]),
        replace(CLEAN, readiness=CLEAN.readiness[4:]),
        replace(CLEAN, sights=(CLEAN.sights[0], replace(CLEAN.sights[1], containers=None))),
        replace(CLEAN, sights=(replace(CLEAN.sights[0], node_boot_ids={}), CLEAN.sights[1])),
    ],
)
def test_what_was_not_measured_is_not_passed(blind: Evidence) -> None:
    assert not judge(blind).passed
