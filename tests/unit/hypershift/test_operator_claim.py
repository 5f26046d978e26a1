"""The record of the holders, as it is read: another client can write anything into it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hcp_dr.engine.step import Do, Wait
from hcp_dr.hypershift.operator_claim import Claim, Record
from hcp_dr.hypershift.workloads import PodFact, Workload

HOLDER = "holder.hcp-dr.openshift.io/clusters.one"
BEFORE = "hcp-dr.openshift.io/operator-before"


def record(annotations: dict[str, str], **spec: str) -> Record:
    lease: dict[str, Any] = {"metadata": {"uid": "u", "resourceVersion": "7", "annotations": annotations}, "spec": spec}
    return Record.of(lease)


def test_a_holder_with_a_backup_id_of_several_words() -> None:
    read = record({HOLDER: "stopped source 2026-01-01T00:00:00Z of last week", BEFORE: "2"})
    [holder] = read.holders
    assert (holder.who, holder.since, holder.side, holder.state) == (
        "clusters/one backup of last week",
        "2026-01-01T00:00:00Z",
        "source",
        "stopped",
    )
    assert (read.before, read.fault, read.is_spent) == (2, "", False)


@pytest.mark.parametrize(
    "content",
    ["", "whatever", "stopped elsewhere 2026 x", "gone source 2026 x", "stopped source", "stopped source 2026 "],
)
def test_other_content_of_a_holder_is_a_fault(content: str) -> None:
    assert record({HOLDER: content}).fault == HOLDER


@pytest.mark.parametrize("content", ["", "-1", "many", "11", "\u0661", "1e9", "9" * 5000])
def test_other_replicas_before_are_a_fault(content: str) -> None:
    read = record({BEFORE: content})
    assert (read.fault, read.is_spent) == (BEFORE, False)


def test_a_record_of_an_older_release_has_one_holder_that_shares_with_no_other() -> None:
    older = {"hcp-dr.openshift.io/relocation": "one-1", "hcp-dr.openshift.io/side": "destination"}
    [holder] = record(older, holderIdentity="clusters/one backup one-1", acquireTime="2026").holders
    assert (holder.who, holder.side, holder.alone, holder.has_it_stopped) == (
        "clusters/one backup one-1",
        "destination",
        True,
        True,
    )


def test_a_holder_stays_until_a_pod_of_the_operator_is_ready() -> None:
    """Else the next one, which needs it, is told that it does not run and not by whom it was stopped."""
    holder = record({HOLDER: "starting source 2026 one-1", BEFORE: "1"})
    claim = Claim("source", "mgmt-1", "clusters/one", "one-1", holder)
    pod = PodFact("operator-a", "hypershift", "uid-of-a", None, ready=False)
    starting = Workload("Deployment", "hypershift", "operator", 1, (pod,))
    awaited = claim.returned((starting,), {}, ())
    assert isinstance(awaited, Wait)
    assert awaited.seen == "no pod is Ready"
    assert isinstance(claim.returned((replace(starting, pods=(replace(pod, ready=True),)),), {}, ()), Do)


def test_without_holders_it_is_spent() -> None:
    assert record({}, holderIdentity="clusters/one backup one-1").is_spent
