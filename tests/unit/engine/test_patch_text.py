"""A patch as people and the journal see it: every field by its path, a value only where it is harmless."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hcp_dr.engine.step import Patch
from hcp_dr.kube.resources import HOSTED_CLUSTER

MARKER = "m4rker"


def described(patch: Any) -> str:
    return Patch("source", HOSTED_CLUSTER, "one", "clusters", patch).describe()


@pytest.mark.parametrize(
    "patch",
    [
        {"spec": {"pausedUntil": "true"}},
        {"spec": {"paused": True, "replicas": 3}},
        {"metadata": {"finalizers": ["a", "b"], "resourceVersion": "7"}},
        {"metadata": {"annotations": {"cluster.x-k8s.io/paused": "true", "anything": None}}},
        {"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Retain"}, "configuration": None}},
        {"metadata": {"labels": {"hypershift.openshift.io/cluster": None}}},
    ],
)
def test_harmless_values_and_removals_are_shown(patch: Any) -> None:
    assert described(patch) == f"patch on source HostedCluster clusters/one: {json.dumps(patch, sort_keys=True)}"


@pytest.mark.parametrize(
    "patch",
    [
        {"spec": {"configuration": {"proxy": {"httpProxy": MARKER}}}},
        {"spec": {"configuration": {"proxy": {MARKER: {"deep": 1}}}}},
        {"spec": {"config": [{"name": MARKER}]}},
        {"spec": MARKER},
        {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": MARKER}}},
        {"metadata": {"labels": {"a": MARKER}}},
        {"data": {"password": MARKER}},
        {"stringData": {"password": MARKER}},
        {"status": {"pausedUntil": MARKER, "replicas": MARKER}},
        {"spec": {"etcd": {"managed": {"storage": {"restoreSnapshotURL": [MARKER]}}}}},
        [{"op": "add", "path": "/spec/configuration/proxy", "value": {"httpProxy": MARKER}}],
        [{"op": "replace", "path": "/metadata/annotations/a~1b", "value": MARKER}],
        [{"op": "add", "path": f"/spec/configuration/proxy/{MARKER}", "value": {MARKER: MARKER}}],
        [{"op": "test", "path": "", "value": {"data": {"a": MARKER}}}],
        [{"op": "move", "from": f"/spec/a/b/{MARKER}", "path": "/spec/c"}],
    ],
)
def test_no_other_value_is_shown(patch: Any) -> None:
    text = described(patch)
    assert MARKER not in text
    assert "spec" in text or "metadata" in text or "ata" in text or "status" in text


def test_the_path_of_a_json_patch_is_shown() -> None:
    patch = [{"op": "replace", "path": "/spec/replicas", "value": 0}, {"op": "remove", "path": "/spec/paused"}]
    assert described(patch).endswith(json.dumps(patch, sort_keys=True))
    hidden = [{"op": "replace", "path": "/spec/configuration", "value": {"a": 1}}]
    assert '"path": "/spec/configuration"' in described(hidden)
