"""Who wrote an object, and when that is in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hcp_dr.kube.port import Object
from hcp_dr.objects.field_owners import suspects
from hcp_dr.objects.moments import utc


def entry(manager: str, time: str, *fields: str, **more: str) -> Object:
    return {"manager": manager, "time": time, "fieldsV1": {"f:spec": {f"f:{name}": {} for name in fields}}, **more}


ITEM = {
    "metadata": {
        "managedFields": [
            entry("hcp-dr", "5", "pausedUntil"),
            entry("gitops", "4", "pausedUntil"),
            entry("operator", "9", subresource="status"),
            entry("operator", "3", "release"),
        ]
    }
}


def test_who_holds_the_field_wrote_it_and_else_whoever_wrote_last() -> None:
    assert tuple(map(str, suspects(ITEM, "spec", "pausedUntil", but="hcp-dr"))) == ("gitops at 4",)
    assert tuple(map(str, suspects(ITEM, "spec", "replicas", but="hcp-dr"))) == ("gitops at 4", "operator at 3")
    assert tuple(map(str, suspects({"metadata": {}}, "spec", but="hcp-dr"))) == ()


@pytest.mark.parametrize("seconds", [0, 951782400, 951868799.9, 1709164800, 1767225599, 4102444800])
def test_a_moment_is_told_in_utc(seconds: float) -> None:
    assert utc(seconds) == datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
