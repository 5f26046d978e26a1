"""Fields by path: unknown ones, and those that a schema would drop."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.objects.fields import dropped_fields, unknown_fields
from hcp_dr.objects.known_fields import KNOWN_FIELDS

KNOWN = {"a", "a.b", "list", "list.x", "map", "map.*"}


@pytest.mark.parametrize(
    ("spec", "unknown"),
    [
        ({"a": {"b": 1}, "list": [{"x": 1}], "map": {"any": {"thing": 1}}}, []),
        ({"new": {"deep": 1}}, ["new"]),
        ({"a": {"b": 1, "c": {"d": 1}}}, ["a.c"]),
        ({"list": [{"x": 1}, {"y": 1}, {"y": 2}]}, ["list.y", "list.y"]),
        ({"list": [[{"y": 1}]]}, ["list.y"]),
        ({}, []),
        (None, []),
    ],
)
def test_the_topmost_unknown_field_is_named(spec: Any, unknown: list[str]) -> None:
    assert list(unknown_fields(spec, KNOWN)) == unknown


SCHEMA: dict[str, Any] = {
    "properties": {
        "a": {"properties": {"b": {"type": "string"}}},
        "list": {"items": {"properties": {"x": {}}}},
        "map": {"additionalProperties": {"properties": {"x": {}}}},
        "labels": {"additionalProperties": True},
        "raw": {"x-kubernetes-preserve-unknown-fields": True, "properties": {"known": {"properties": {"x": {}}}}},
    }
}


@pytest.mark.parametrize(
    ("value", "dropped"),
    [
        ({"a": {"b": 1}, "list": [{"x": 1}], "map": {"k": {"x": 1}}, "labels": {"k": "v"}, "raw": {"k": {}}}, []),
        ({"new": {"deep": 1}}, ["new"]),
        ({"a": {"c": 1}}, ["a.c"]),
        ({"list": [{"x": 1}, {"y": 1}]}, ["list.y"]),
        ({"map": {"k": {"y": 1}}}, ["map.k.y"]),
        ({"raw": {"known": {"x": 1, "y": 1}}}, ["raw.known.y"]),
    ],
)
def test_the_topmost_field_without_a_schema_is_dropped(value: Any, dropped: list[str]) -> None:
    assert list(dropped_fields(value, SCHEMA)) == dropped


def test_the_list_of_known_fields_has_the_fields_of_every_hosted_cluster() -> None:
    assert {"etcd.managed", "pausedUntil", "platform.aws.region"} <= {*KNOWN_FIELDS["HostedCluster"]}
    assert {"clusterName", "platform.aws.instanceType", "management.upgradeType"} <= {*KNOWN_FIELDS["NodePool"]}
