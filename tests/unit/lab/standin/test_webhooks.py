"""The operator's webhooks: conversion between Cluster API's versions, and validation."""

from __future__ import annotations

from typing import Any

import pytest

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from hcp_dr_lab.standin import webhooks
from hcp_dr_lab.standin.conversion import NEW, OLD, converted
from tests.unit.lab.standin.world import PLANE, standing

KINDS = (r.CLUSTER, r.MACHINE_DEPLOYMENT, r.MACHINE_SET, r.MACHINE)


@pytest.mark.parametrize("resource", KINDS, ids=str)
def test_there_and_back_nothing_is_lost(resource: Any) -> None:
    for item in standing().all(resource):
        assert converted(converted(item, OLD), NEW) == item


@pytest.mark.parametrize("resource", KINDS, ids=str)
def test_what_is_wanted_in_its_own_version_stays_as_it_is(resource: Any) -> None:
    for item in standing().all(resource):
        assert converted(item, NEW) is item


def test_references_get_their_version_and_namespace_back() -> None:
    machine = standing().all(r.MACHINE)[0]
    old = converted(machine, OLD)
    reference = {
        "apiVersion": "infrastructure.cluster.x-k8s.io/v1beta2",
        "kind": "AWSMachine",
        "name": machine["metadata"]["name"],
        "namespace": PLANE,
    }
    assert old["spec"]["infrastructureRef"] == reference
    assert old["status"]["infrastructureReady"] is True
    assert old["status"]["v1beta2"]["conditions"] == machine["status"]["conditions"]
    assert old["status"]["nodeRef"]["kind"] == "Node"


def test_a_health_checks_times_are_texts_in_the_old_version() -> None:
    item: Object = {
        "apiVersion": NEW,
        "kind": "MachineHealthCheck",
        "metadata": {"name": "check", "namespace": PLANE},
        "spec": {
            "clusterName": "shop-r7h2k",
            "checks": {
                "nodeStartupTimeoutSeconds": 1200,
                "unhealthyNodeConditions": [{"type": "Ready", "status": "False", "timeoutSeconds": 490}],
            },
            "remediation": {"triggerIf": {"unhealthyLessThanOrEqualTo": 2}},
        },
    }
    old = converted(item, OLD)
    assert old["spec"] == {
        "clusterName": "shop-r7h2k",
        "nodeStartupTimeout": "20m0s",
        "unhealthyConditions": [{"type": "Ready", "status": "False", "timeout": "8m10s"}],
        "maxUnhealthy": 2,
    }
    assert converted(old, NEW) == item


def test_a_review_of_conversion_is_answered_with_all_objects() -> None:
    machines = standing().all(r.MACHINE)
    request = {"uid": "u", "desiredAPIVersion": OLD, "objects": machines}
    answer = webhooks.answer({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request})
    assert answer["response"]["uid"] == "u"
    assert answer["response"]["result"] == {"status": "Success"}
    assert [item["apiVersion"] for item in answer["response"]["convertedObjects"]] == [OLD, OLD]


def test_what_cannot_be_converted_is_a_failure_that_says_why() -> None:
    item = {"apiVersion": f"{r.MACHINE.group}/v1alpha4", "kind": "Machine", "metadata": {"name": "old"}}
    request = {"uid": "u", "desiredAPIVersion": NEW, "objects": [item]}
    answer = webhooks.answer({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request})
    assert answer["response"]["result"]["status"] == "Failure"
    assert "v1alpha4" in answer["response"]["result"]["message"]


@pytest.mark.parametrize(("infra_id", "allowed"), [("shop-r7h2k", True), ("another", False)])
def test_validation_refuses_a_change_of_what_never_changes(infra_id: str, allowed: bool) -> None:  # noqa: FBT001
    old = standing().get(r.HOSTED_CLUSTER, "shop", "clusters")
    new = {**old, "spec": {**old["spec"], "infraID": infra_id}}
    request = {
        "uid": "u",
        "operation": "UPDATE",
        "kind": {"group": "hypershift.openshift.io", "version": "v1beta1", "kind": "HostedCluster"},
        "object": new,
        "oldObject": old,
    }
    answer = webhooks.answer({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    assert answer["response"]["allowed"] is allowed


def test_validation_lets_a_deletion_pass() -> None:
    request = {"uid": "u", "operation": "DELETE", "kind": {"kind": "HostedCluster"}, "object": None, "oldObject": {}}
    answer = webhooks.answer({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    assert answer["response"] == {"uid": "u", "allowed": True}
