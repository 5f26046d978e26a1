"""What travels keeps its meaning and loses what the source gave it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcp_dr.objects.scrub import keeps_oidc_documents, placed, scrub
from hcp_dr.upstream import OIDC_FINALIZER
from tests.cases.building import RESOURCES, an_object

OF_THE_SOURCE: dict[str, Any] = {
    "uid": "u",
    "resourceVersion": "7",
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "deletionTimestamp": "2026-01-02T00:00:00Z",
    "deletionGracePeriodSeconds": 30,
    "generation": 4,
    "managedFields": [{"manager": "x"}],
    "ownerReferences": [{"kind": "HostedControlPlane", "name": "one", "uid": "gone"}],
    "finalizers": ["machine.cluster.x-k8s.io"],
    "selfLink": "/x",
}


def whole(kind: str, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    item = an_object({f"{kind} n/x": {"labels": {"keep": "me"}, "spec": {"a": [1]}, "status": {"version": "4.20"}}})
    item["metadata"] |= {**OF_THE_SOURCE, "annotations": annotations or {}}
    return item


@pytest.mark.parametrize("kind", ["Secret", "Machine", "AWSMachine", "NodePool", "HostedCluster", "Cluster"])
def test_identity_owners_and_finalizers_stay_behind(kind: str) -> None:
    item = whole(kind)
    before = copy.deepcopy(item)
    clean = scrub(item)
    assert clean["metadata"] == {"name": "x", "namespace": "n", "labels": {"keep": "me"}}
    assert clean["spec"] == {"a": [1]}
    assert item == before, "the original is left as it was"


@pytest.mark.parametrize("kind", ["Machine", "HostedCluster", "NodePool", "Secret"])
def test_the_status_of_node_pools_alone_travels(kind: str) -> None:
    """Rule A8: a NodePool without status.version counts as new."""
    assert ("status" in scrub(whole(kind))) is (kind == "NodePool")


def test_annotations_bound_to_the_source_stay_behind_and_others_travel() -> None:
    hypershift = "hypershift.openshift.io/"
    kept = {
        f"{hypershift}nodePoolCurrentConfig": "1a2b",
        f"{hypershift}canonical-data-plane-images": "true",
        f"{hypershift}nodePool": "clusters/workers",
        "cluster.x-k8s.io/paused": "true",
    }
    left = {
        f"{hypershift}cluster-scheduled": "true",
        f"{hypershift}restart-date": "yesterday",
        f"{hypershift}HasBeenAvailable": "true",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    }
    assert scrub(whole("HostedCluster", {**kept, **left}))["metadata"]["annotations"] == kept
    assert "annotations" not in scrub(whole("HostedCluster", left))["metadata"]


SIZE = "hypershift.openshift.io/hosted-cluster-size"
REQUEST = "resource-request-override.hypershift.openshift.io/kube-apiserver.kube-apiserver"


@pytest.mark.parametrize(
    ("managers", "travels"),
    [
        (["hypershift-operator-manager"], False),
        (["kubectl-edit"], True),
        (["hypershift-operator", "argocd"], True),
        ([], True),
    ],
)
def test_the_size_that_the_source_gave_it_stays_behind_and_what_an_administrator_asked_for_travels(
    managers: list[str], *, travels: bool
) -> None:
    item = whole("HostedCluster", {REQUEST: "memory=8Gi"})
    item["metadata"]["labels"] = {"keep": "me", SIZE: "large"}
    owned: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{REQUEST}": {}}, "f:labels": {f"f:{SIZE}": {}}}}
    item["metadata"]["managedFields"] = [{"manager": name, "fieldsV1": owned} for name in managers]
    clean = scrub(item)
    assert placed(item) == ((SIZE,) if travels else (REQUEST, SIZE))
    assert clean["metadata"]["labels"] == {"keep": "me"}
    assert clean["metadata"].get("annotations") == ({REQUEST: "memory=8Gi"} if travels else None)
    assert scrub(clean) == clean


@given(st.sampled_from(sorted(RESOURCES)), st.dictionaries(st.text(min_size=1), st.text()))
def test_what_is_clean_stays_as_it_is(kind: str, annotations: dict[str, str]) -> None:
    once = scrub(whole(kind, annotations))
    assert scrub(once) == once


def test_the_finalizer_says_that_the_documents_are_uploaded() -> None:
    """Rule E3."""
    assert keeps_oidc_documents(an_object({"HostedCluster n/x": {"finalizers": ["other", OIDC_FINALIZER]}}))
    assert not keeps_oidc_documents(an_object({"HostedCluster n/x": {"finalizers": ["other"]}}))
    assert not keeps_oidc_documents(an_object("HostedCluster n/x"))
