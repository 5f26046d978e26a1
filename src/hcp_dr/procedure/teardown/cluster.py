"""Removes the Cluster, the AWSCluster and the AWSMachineTemplates, in the control plane namespace of this cluster
only."""

from __future__ import annotations

from hcp_dr.hypershift.deletion.protocol import all_of_them, removing_step
from hcp_dr.kube.resources import AWS_CLUSTER, AWS_MACHINE_TEMPLATE, CLUSTER

STEP = removing_step("teardown.cluster", "8.6.4-4", (AWS_MACHINE_TEMPLATE, AWS_CLUSTER, CLUSTER), mine=all_of_them)
