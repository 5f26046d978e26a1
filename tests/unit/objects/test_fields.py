"""Fields by path: unknown ones, and those that a schema would drop."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.objects.fields import unknown_fields
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


def test_the_list_of_known_fields_has_the_fields_of_every_hosted_cluster() -> None:
    assert {"etcd.managed", "pausedUntil", "platform.aws.region"} <= {*KNOWN_FIELDS["HostedCluster"]}
    assert {"clusterName", "platform.aws.instanceType", "management.upgradeType"} <= {*KNOWN_FIELDS["NodePool"]}
