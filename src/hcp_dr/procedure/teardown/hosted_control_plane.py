"""Removes the HostedControlPlane and the AWSEndpointServices. The finalizers of the AWSEndpointServices are removed
first, because they would delete the VPC endpoint and the names of the live cluster (rule F2)."""

from __future__ import annotations

from hcp_dr.hypershift.deletion.protocol import all_of_them, removing_step
from hcp_dr.kube.resources import AWS_ENDPOINT_SERVICE, HOSTED_CONTROL_PLANE
from hcp_dr.upstream import ENDPOINT_FINALIZERS

STEP = removing_step(
    "teardown.hosted_control_plane",
    "8.6.4-6",
    (AWS_ENDPOINT_SERVICE, HOSTED_CONTROL_PLANE),
    mine=all_of_them,
    dangerous=ENDPOINT_FINALIZERS,
)
