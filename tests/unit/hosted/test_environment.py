"""The variables that a relocation in the region is given."""

from __future__ import annotations

from pathlib import Path

from hcp_dr_lab.ground.layout import HostedClusterNames, Layout
from hcp_dr_lab.hosted import environment

VALUES = environment.variables(Layout("test", 7, Path("/region")), HostedClusterNames("demo"), zone_id="Z1", replicas=2)


def test_every_documented_variable_is_there() -> None:
    documented = {
        *("HC_CLUSTER_NS", "HC_CLUSTER_NAME", "MGMT_CLUSTER_NAME", "MGMT2_CLUSTER_NAME", "MGMT_KUBECONFIG"),
        *("MGMT2_KUBECONFIG", "HC_KUBECONFIG", "BUCKET_NAME", "AWS_CREDS", "AWS_ZONE_ID", "EXTERNAL_DNS_DOMAIN"),
        *("MGMT2_REGION", "NODEPOOLS", "NODE_POOL_REPLICAS", "CONTROL_PLANE_AVAILABILITY_POLICY"),
    }
    assert documented <= VALUES.keys()
    assert all(VALUES.values())


def test_no_request_leaves_the_region() -> None:
    endpoints = {value for name, value in VALUES.items() if name.startswith("AWS_ENDPOINT_URL_")}
    assert endpoints == {"https://10.77.7.2:7070", "https://10.77.7.2:5000"}


def test_each_line_is_one_variable() -> None:
    assert environment.text(VALUES).splitlines()[0] == "HC_CLUSTER_NS=clusters"
