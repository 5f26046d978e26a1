"""What is told of a lost source, and what nobody may ask it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hcp_dr.commands import abort
from hcp_dr.engine.journal import RunState
from hcp_dr.errors import Refused
from hcp_dr.hypershift import source_loss
from hcp_dr.hypershift.deletion.protocol import CAN_TERMINATE_INSTANCES
from hcp_dr.hypershift.fence.state import FENCED
from hcp_dr.hypershift.state import SOURCE_LOST, SourceLost
from hcp_dr.kube.resources import NAMESPACE
from hcp_dr.objects.archive import Manifest, Snapshot
from tests.ports import CASE

LOST = SourceLost(reason="flood", who="ada", at=1770000000.0, began=1770000000.0 + 61)


@pytest.mark.parametrize(("seconds", "words"), [(1, "1 minutes"), (61, "2 minutes"), (7200, "2 hours (120 minutes)")])
def test_the_loss_is_never_stated_too_small(seconds: float, words: str) -> None:
    told = source_loss.loss(1770000000.0, 1770000000.0 + seconds)
    assert told == f"the snapshot is of 2026-02-02T02:40:00Z: writes of the last {words} are lost"


def test_that_etcd_goes_back_in_revision_is_told_whatever_the_release() -> None:
    checks = {check.name: check for check in source_loss.checks(CASE, LOST, "/backups/one")}
    assert checks["etcd_revision"].verdict == "warning"
    assert "restart kubelet" in checks["etcd_revision"].todo


def test_what_must_be_fenced_by_hand_is_named_in_order() -> None:
    text = source_loss.to_fence_by_hand(CASE, "/backups/one")
    (names,) = re.findall(r"Deployments (.+) of clusters-one", text)
    assert set(names.split(", ")) == {*FENCED, *CAN_TERMINATE_INSTANCES}, "all that a deletion wants to see stopped"
    order = ["control-plane-operator", "kube-apiserver", "openshift-oauth-apiserver", "capi-provider", "karpenter of"]
    assert [text.index(name) for name in order] == sorted(text.index(name) for name in order)


def test_nobody_asks_it() -> None:
    with pytest.raises(Refused):
        source_loss.lost_source().find(NAMESPACE, "kube-system")


MADE_AT = 500.0


@pytest.mark.parametrize(
    ("remembered", "at"),
    [
        ({"fence": {"id": "first", "at": 100.0}}, 100.0),
        (
            {
                "fence": {"id": "second", "at": 900.0},
                "fence_breaches": [{"what": "it was lifted", "fence": "first", "since": 100.0, "seen": 800.0}],
            },
            100.0,
        ),
        ({"fence": {"id": "second", "at": 900.0}}, MADE_AT),
        ({}, MADE_AT),
    ],
)
def test_the_loss_begins_at_the_fence_of_the_snapshot(remembered: dict[str, Any], at: float) -> None:
    snapshot = Snapshot("backups", "snapshot.db", 1, "0", "0", 1, 1, "first")
    memory = RunState()
    for key, value in remembered.items():
        memory = memory.with_value(key, value)
    assert source_loss.moment_of(Manifest({}, MADE_AT, None, (), snapshot), memory) == at


def test_an_abort_does_without_the_destination_only_where_the_sources_lease_excludes_others() -> None:
    memory = RunState()
    without = abort.may_do_without(lambda: memory)
    assert without("destination")
    memory = memory.with_remembered(SOURCE_LOST.remember(LOST))
    assert not without("destination"), "another machine's journal, taken meanwhile"
