"""Workloads as fence and teardown see them: what is asked for, what is there, and how long it may take to leave."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.engine.step import Delete, ForceStop, Patch
from hcp_dr.hypershift.workloads import PodFact, Workload, still_there, stop, workload, workloads
from hcp_dr.kube.resources import DEPLOYMENT, STATEFUL_SET
from tests.cases.building import an_object, build
from tests.ports import MemoryKubernetes

LABELS = {"app": "kas"}
SELECTING = {"selector": {"matchLabels": LABELS}}


def seen(spec: dict[str, Any], *pods: Any) -> Workload:
    item = an_object({"Deployment clusters-one/kas": {"spec": {**SELECTING, **spec}}})
    return workload(item, [an_object(pod) for pod in pods])


@pytest.mark.parametrize(("spec", "replicas"), [({}, 1), ({"replicas": 0}, 0), ({"replicas": 3}, 3)])
def test_who_says_nothing_asks_for_one(spec: dict[str, Any], replicas: int) -> None:
    """Kubernetes' default. Not saying anything is not asking for none."""
    found = seen(spec)
    assert found.replicas == replicas
    assert found.stopped is (replicas == 0)


def test_pods_are_seen_with_the_grace_of_their_deletion_and_their_first_container() -> None:
    leaving = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 70}
    containers = {"spec": {"containers": [{"name": "kube-apiserver"}, {"name": "other"}]}}
    found = seen(
        {"replicas": 0},
        {"Pod clusters-one/stays": {"labels": LABELS, **containers}},
        {"Pod clusters-one/leaves": {"labels": LABELS, "metadata": leaving}},
        {"Pod clusters-one/dies": {"labels": LABELS, "deleting": True}},
        "Pod clusters-one/of-others",
    )
    assert found.pods == (
        PodFact("stays", "clusters-one", "uid-of-stays", None, "kube-apiserver", ready=False),
        PodFact("leaves", "clusters-one", "uid-of-leaves", 70, "", ready=False),
        PodFact("dies", "clusters-one", "uid-of-dies", 0, "", ready=False),
    )
    assert not found.stopped, "its pods are there, whatever it asks for"


def test_all_kinds_of_a_namespace_are_seen() -> None:
    cluster = MemoryKubernetes("source", "Deployment a/d", "StatefulSet a/s", "Deployment b/d", "Pod a/p")
    found = workloads(cluster, "a", DEPLOYMENT, STATEFUL_SET)
    assert [(item.kind, item.name, item.resource) for item in found] == [
        ("Deployment", "d", DEPLOYMENT),
        ("StatefulSet", "s", STATEFUL_SET),
    ]


def test_stopping_asks_for_none_and_hurries_only_whom_it_pays_to_hurry() -> None:
    """Rule C2. A grace of 0 would drop the object without the kubelet's proof."""
    actions = stop("source", [build(Workload, "kas 2 stays slow:135 quick:1 dead:0"), build(Workload, "oas 0 waits")])
    scaled, *hurried = actions
    assert isinstance(scaled, Patch)
    assert (scaled.name, scaled.patch) == ("kas", {"spec": {"replicas": 0}})
    assert [action.pod for action in hurried if isinstance(action, ForceStop)] == ["slow"]
    assert not [action for action in actions if isinstance(action, Delete)]


def test_what_has_stopped_needs_nothing() -> None:
    assert stop("source", [build(Workload, "kas 0")]) == ()
    assert still_there([build(Workload, "kas 0")]) == "nothing"
    assert still_there([build(Workload, "kas 0 a b"), build(Workload, "oas 1")]) == "kas 2 pods, oas 0 pods"
