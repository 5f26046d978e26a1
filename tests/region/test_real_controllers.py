"""The real Cluster API and AWS provider: they act, the stand-in leaves them alone, and they are as deadly as it."""

from __future__ import annotations

import pytest

from hcp_dr.kube import resources as r
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Controllers
from hcp_dr_lab.ground.names import CAPI_PROVIDER, CLUSTER_API
from hcp_dr_lab.region.supervisor import log_file
from hcp_dr_lab.standin.controllers import IMAGES
from tests.region.conftest import CONTROLLERS, Hosted, instances_of, management
from tests.region.ways import in_one

pytestmark = pytest.mark.skipif(
    CONTROLLERS is not Controllers.REAL, reason="with real controllers only: `make test-real-controllers`"
)
FIRST, SECOND = MANAGEMENT_CLUSTERS


def test_there_and_back(hosted: Hosted) -> None:
    before = instances_of(hosted.layout, hosted.names)
    in_one(hosted)
    in_one(hosted, source=2)
    assert instances_of(hosted.layout, hosted.names) == before
    with management(hosted.layout, FIRST) as cluster:
        for name in (CLUSTER_API, CAPI_PROVIDER):
            pods = cluster.list(r.POD, hosted.names.control_plane_namespace, labels=f"app={name}").items
            assert [each["image"] for pod in pods for each in pod["spec"]["containers"]] == [IMAGES[name]]
    for each in MANAGEMENT_CLUSTERS:
        told = log_file(hosted.layout.logs, f"{each.name}/stand-in").read_text("utf-8")
        assert f" {CLUSTER_API}: " not in told
        assert f" {CAPI_PROVIDER}: " not in told
