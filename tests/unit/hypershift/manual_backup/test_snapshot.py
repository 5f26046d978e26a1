"""What can be proven of a snapshot that was saved by hand, and what cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hcp_dr.aws.port import StoredObject
from hcp_dr.hypershift.manual_backup.snapshot import HandSnapshot, check_whole, documented_key, scaled_at, seconds_of
from hcp_dr.hypershift.state import Saved
from hcp_dr.objects.digest import Digest
from tests.ports import case

SNAPSHOT = HandSnapshot(
    key="one-etcd-0-snapshot.db",
    stored=StoredObject("one-etcd-0-snapshot.db", 4096, {}, "e7a9", modified=2000.0),
    digest=Digest(4096, "5ad10e", intact=True),
    saved=Saved("5ad10e", "9f3a", 42, 700, born=1990.0),
    members=1,
    revisions=(42,),
    ordered=1000.0,
    gone=1135.0,
)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "ok"),
        ({"gone": None, "ordered": None}, "ok"),
        ({"revisions": (45,)}, "ok"),
        ({"revisions": (45,), "gone": 1989.0}, "warning"),
        ({"revisions": (45,), "gone": None}, "warning"),
        ({"revisions": (45,), "saved": replace(SNAPSHOT.saved, born=None)}, "warning"),  # type: ignore[type-var]
        ({"revisions": (42, 42, 42), "members": 3}, "ok"),
        ({"revisions": (42, 42, 45), "members": 3}, "warning"),
        ({"revisions": (42, 42), "members": 3}, "warning"),
        ({"revisions": (45, 45, 45), "members": 3}, "warning"),
        ({"saved": None}, "warning"),
        ({"digest": Digest(4096, "b0b0", intact=True)}, "warning"),
        ({"revisions": (), "saved": None}, "warning"),
        ({"ordered": 2100.0, "revisions": (45,), "saved": None}, "blocked"),
        ({"ordered": 2100.0, "revisions": (), "saved": None}, "warning"),
        ({"ordered": 2003.0, "gone": 2100.0, "revisions": (45,)}, "warning"),
    ],
)
def test_whether_it_is_proven_to_be_whole(changes: dict[str, Any], verdict: str) -> None:
    found = check_whole(replace(SNAPSHOT, **changes))
    assert found.verdict == verdict
    assert bool(found.todo) == (verdict != "ok")


def test_moments_of_a_deployment() -> None:
    entries = [
        {"manager": "kubectl", "time": "2026-03-01T02:03:04Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "operator", "time": "2026-02-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
        {"manager": "controller", "time": "2026-03-01T02:03:09Z", "fieldsV1": {"f:status": {}}},
        {"manager": "silent", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
    ]
    assert scaled_at({"metadata": {"managedFields": entries}}) == 1772330584.0
    assert scaled_at({"metadata": {}}) is None
    assert seconds_of("1970-01-01T00:01:00Z") == 60.0
    assert seconds_of("yesterday") is None
    assert seconds_of(None) is None


def test_the_documented_key() -> None:
    assert documented_key(case().name) == "one-etcd-0-snapshot.db"
