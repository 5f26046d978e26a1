"""The project's own kinds: complete, and with the rules that bite."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Resource
from hcp_dr_lab.standin.install import OWN_CRDS
from hcp_dr_lab.standin.roles import RESOURCES

CUSTOM = [resource for resource in RESOURCES if "." in resource.group]
BUILT_IN = ("rbac.authorization.k8s.io",)


def definition(resource: Resource) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((OWN_CRDS / f"{resource.plural}.yaml").read_text("utf-8"))
    return loaded


@pytest.mark.parametrize("resource", [item for item in CUSTOM if item.group not in BUILT_IN], ids=str)
def test_each_kind_is_defined_in_the_version_that_is_used(resource: Resource) -> None:
    found = definition(resource)
    assert found["metadata"]["name"] == str(resource)
    assert found["spec"]["names"]["kind"] == resource.kind
    (version,) = (entry for entry in found["spec"]["versions"] if entry["storage"])
    assert version["name"] == resource.version
    assert version["served"]
    assert "status" in version["subresources"]


@pytest.mark.parametrize("resource", [r.HOSTED_CLUSTER, r.HOSTED_CONTROL_PLANE], ids=str)
def test_the_snapshot_url_is_bound(resource: Resource) -> None:
    spec = definition(resource)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    storage = spec["properties"]["etcd"]["properties"]["managed"]["properties"]["storage"]
    url = storage["properties"]["restoreSnapshotURL"]
    assert url["maxItems"] == 1
    assert url["items"]["maxLength"] == 1024
    rules = [entry["rule"] for entry in (*storage["x-kubernetes-validations"], *url["x-kubernetes-validations"])]
    assert "has(self.restoreSnapshotURL) == has(oldSelf.restoreSnapshotURL)" in rules
    assert "self == oldSelf" in rules


def test_a_machine_deployment_can_be_scaled() -> None:
    assert "scale" in definition(r.MACHINE_DEPLOYMENT)["spec"]["versions"][0]["subresources"]
