"""Readers that never stumble over what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.objects.reading import (
    annotations_of,
    condition,
    dig,
    finalizers_of,
    is_deleting,
    is_ready_pod,
    labels_of,
    namespace_of,
    pods_of,
    selects,
    uid_of,
)
from tests.cases.building import an_object


def test_what_is_missing_or_null_is_empty() -> None:
    for meta in ({"name": "x"}, {"name": "x", "annotations": None, "labels": None, "finalizers": None}):
        item = {"metadata": meta}
        assert (annotations_of(item), labels_of(item), finalizers_of(item)) == ({}, {}, ())
        assert (uid_of(item), namespace_of(item), is_deleting(item)) == ("", None, False)


@pytest.mark.parametrize("value", [None, {}, {"a": None}, {"a": 3}, {"a": []}, [], "text"])
def test_digging_in_nothing_finds_nothing(value: Any) -> None:
    assert dig(value, "a", "b") is None


def test_digging_finds_what_is_there() -> None:
    assert dig({"a": {"b": False}}, "a", "b") is False
    assert dig({"a": 1}) == {"a": 1}


def conditioned(*entries: dict[str, Any], generation: int = 3) -> dict[str, Any]:
    return {"metadata": {"generation": generation}, "status": {"conditions": list(entries)}}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"status": "True"}, "True"),
        ({"status": "Unknown", "observedGeneration": 3}, "Unknown"),
        ({"status": "True", "observedGeneration": 4}, "True"),
        ({"status": "True", "observedGeneration": 2}, None),
    ],
)
def test_a_condition_of_an_older_generation_does_not_count(entry: dict[str, Any], expected: str | None) -> None:
    assert condition(conditioned({"type": "Other", "status": "False"}, {"type": "Ready", **entry}), "Ready") == expected


def test_a_condition_that_is_not_there_is_none() -> None:
    assert condition({"metadata": {}}, "Ready") is None
    assert condition({"metadata": {}, "status": {"conditions": None}}, "Ready") is None


def test_a_pod_that_is_being_deleted_is_not_ready() -> None:
    ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    assert is_ready_pod(an_object({"Pod n/p": ready}))
    assert not is_ready_pod(an_object({"Pod n/p": {**ready, "deleting": True}}))
    assert not is_ready_pod(an_object("Pod n/p"))


def test_a_selector_chooses_by_all_its_labels_and_an_empty_one_nothing() -> None:
    pod = an_object({"Pod n/p": {"labels": {"app": "etcd", "tier": "one"}}})
    assert selects({"app": "etcd"}, pod)
    assert not selects({"app": "etcd", "tier": "two"}, pod)
    assert not selects({}, pod)
    workload = an_object({"StatefulSet n/etcd": {"spec": {"selector": {"matchLabels": {"app": "etcd"}}}}})
    assert pods_of(workload, [pod, an_object("Pod n/other")]) == (pod,)
    assert pods_of(an_object("StatefulSet n/etcd"), [pod]) == ()
