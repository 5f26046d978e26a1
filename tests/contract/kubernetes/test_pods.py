"""Pods as far as an API server shows them without a kubelet: graceful deletion, and commands that find nobody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from hcp_dr import errors
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Object
from tests.contract.kubernetes.sides import Side, an_object

CONTAINER = {"name": "a", "image": "image:1"}


@pytest.fixture
def pods(side: Side, namespace: str) -> str:
    """A namespace that takes pods in."""
    side.eventually(lambda: side.admin.find(r.SERVICE_ACCOUNT, "default", namespace), "a default service account")
    return namespace


def make(side: Side, namespace: str, name: str = "a", **spec: Any) -> Object:
    return side.admin.create(r.POD, an_object(r.POD, name, namespace, spec={"containers": [CONTAINER], **spec}))


def test_a_new_pod_waits(side: Side, pods: str) -> None:
    made = make(side, pods)
    assert made["status"]["phase"] == "Pending"
    assert made["spec"]["terminationGracePeriodSeconds"] == 30
    assert made["spec"]["restartPolicy"] == "Always"
    assert made["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_a_pod_that_runs_nowhere_goes_at_once(side: Side, pods: str) -> None:
    make(side, pods)
    side.admin.delete(r.POD, "a", pods)
    assert side.admin.find(r.POD, "a", pods) is None


def test_a_pod_of_a_node_stays_for_its_grace(side: Side, pods: str) -> None:
    make(side, pods, nodeName="nowhere", terminationGracePeriodSeconds=135)
    side.admin.delete(r.POD, "a", pods)
    metadata = side.admin.get(r.POD, "a", pods)["metadata"]
    assert metadata["deletionGracePeriodSeconds"] == 135
    kept = datetime.fromisoformat(metadata["deletionTimestamp"]) - datetime.fromisoformat(metadata["creationTimestamp"])
    assert 134 <= kept.total_seconds() <= 140
    side.admin.delete(r.POD, "a", pods, grace_seconds=5)
    shorter = side.admin.get(r.POD, "a", pods)["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 5
    assert shorter["deletionTimestamp"] < metadata["deletionTimestamp"]
    side.admin.delete(r.POD, "a", pods, grace_seconds=60)
    assert side.admin.get(r.POD, "a", pods)["metadata"]["deletionGracePeriodSeconds"] == 5
    side.admin.delete(r.POD, "a", pods, grace_seconds=0)
    assert side.admin.find(r.POD, "a", pods) is None


def test_a_finished_pod_goes_at_once(side: Side, pods: str) -> None:
    make(side, pods, nodeName="nowhere")
    side.admin.patch(r.POD, "a", pods, {"status": {"phase": "Succeeded"}}, subresource="status")
    side.admin.delete(r.POD, "a", pods)
    assert side.admin.find(r.POD, "a", pods) is None


def test_a_pod_with_a_finalizer_stays_after_its_grace(side: Side, pods: str) -> None:
    body = an_object(r.POD, "a", pods, spec={"containers": [CONTAINER], "nodeName": "nowhere"})
    side.admin.create(r.POD, {**body, "metadata": {**body["metadata"], "finalizers": ["a.example/held"]}})
    side.admin.delete(r.POD, "a", pods, grace_seconds=0)
    metadata = side.admin.get(r.POD, "a", pods)["metadata"]
    assert metadata["deletionGracePeriodSeconds"] == 0
    side.admin.patch(r.POD, "a", pods, {"metadata": {"finalizers": None}})
    assert side.admin.find(r.POD, "a", pods) is None


def test_a_pod_keeps_its_spec_but_for_images(side: Side, pods: str) -> None:
    make(side, pods)
    image = [{"op": "replace", "path": "/spec/containers/0/image", "value": "image:2"}]
    changed = side.admin.patch(r.POD, "a", pods, image)
    assert changed["spec"]["containers"][0]["image"] == "image:2"
    with pytest.raises(errors.Invalid, match="pod updates may not change fields other than"):
        side.admin.patch(r.POD, "a", pods, {"spec": {"hostNetwork": True}})


@pytest.mark.parametrize(
    ("pod", "container", "kind", "words"),
    [
        ("absent", "a", errors.NotFound, None),
        ("waits", "a", errors.Invalid, "pod waits does not have a host assigned"),
        ("waits", "b", errors.Invalid, "container b is not valid for pod waits"),
        ("runs", "b", errors.Invalid, "container b is not valid for pod runs"),
        ("runs", "a", errors.NotFound, None),
    ],
    ids=["no pod", "no node", "no node, no container", "no container", "no such node"],
)
def test_a_command_where_none_can_run(  # noqa: PLR0917 - a table
    side: Side, pods: str, pod: str, container: str, kind: type[errors.KubernetesError], words: str | None
) -> None:
    """What a kubelet says of a command that runs: tests/contract/commands.py."""
    make(side, pods, "waits")
    make(side, pods, "runs", nodeName="nowhere")
    with pytest.raises(kind, match=words):
        side.admin.execute(pods, pod, container, ["true"])
