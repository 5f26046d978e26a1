"""What is relied on of a Lease, which two processes want at once."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from tests.contract.kubernetes.sides import Side, an_object

TIME = "2026-01-01T10:20:30.000001Z"


def lease(namespace: str, **spec: Any) -> Object:
    given = {"holderIdentity": "a", "leaseDurationSeconds": 60, "acquireTime": TIME, "renewTime": TIME} | spec
    return an_object(r.LEASE, "one", namespace, spec=given)


def test_it_is_made_once_and_keeps_what_it_was_given(side: Side, namespace: str) -> None:
    made = side.admin.create(r.LEASE, lease(namespace, leaseTransitions=0))
    assert made["spec"] == lease(namespace, leaseTransitions=0)["spec"]
    with pytest.raises(errors.AlreadyExists):
        side.admin.create(r.LEASE, lease(namespace, holderIdentity="b"))
    found = side.admin.get(r.LEASE, "one", namespace)
    assert found == made


def test_it_is_changed_only_as_it_was_seen(side: Side, namespace: str) -> None:
    seen = side.admin.create(r.LEASE, lease(namespace))["metadata"]["resourceVersion"]
    renewed = "2026-01-01T10:20:50.000001Z"
    change = {"metadata": {"resourceVersion": seen}, "spec": {"renewTime": renewed}}
    made = side.admin.patch(r.LEASE, "one", namespace, change)
    assert made["metadata"]["resourceVersion"] != seen
    assert made["spec"] == {**lease(namespace)["spec"], "renewTime": renewed}
    with pytest.raises(errors.Conflict):
        side.admin.patch(r.LEASE, "one", namespace, {**change, "spec": {"holderIdentity": "b"}})
    assert side.admin.get(r.LEASE, "one", namespace) == made


def test_it_is_given_back_without_a_holder_and_annotations_come_and_go(side: Side, namespace: str) -> None:
    made = side.admin.create(r.LEASE, lease(namespace))
    version = made["metadata"]["resourceVersion"]
    marked = side.admin.patch(
        r.LEASE, "one", namespace, {"metadata": {"resourceVersion": version, "annotations": {"a.example/b": "c"}}}
    )
    version = marked["metadata"]["resourceVersion"]
    change = {
        "metadata": {"resourceVersion": version, "annotations": {"a.example/b": None}},
        "spec": {"holderIdentity": ""},
    }
    given_back = side.admin.patch(r.LEASE, "one", namespace, change)
    assert given_back["spec"]["holderIdentity"] == ""
    assert not given_back["metadata"].get("annotations")


@pytest.mark.parametrize("spec", [{"leaseDurationSeconds": 0}, {"leaseTransitions": -1}])
def test_numbers_that_it_cannot_have(side: Side, namespace: str, spec: dict[str, int]) -> None:
    with pytest.raises(errors.Invalid, match=next(iter(spec))):
        side.admin.create(r.LEASE, lease(namespace, **spec))


def test_a_time_that_is_none(side: Side, namespace: str) -> None:
    with pytest.raises(errors.KubernetesError, match="parsing time"):
        side.admin.create(r.LEASE, lease(namespace, renewTime="yesterday"))
