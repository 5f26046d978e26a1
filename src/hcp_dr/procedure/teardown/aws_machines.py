"""Removes the AWSMachines: only the Kubernetes objects; the instances continue to run under the destination's
AWSMachines. The AWSMachines are removed before their Machines and Cluster (rule F3), and never while capi-provider
runs, because capi-provider would terminate the instances."""

from __future__ import annotations

from hcp_dr.hypershift.deletion.protocol import of_its_infrastructure, removing_step
from hcp_dr.kube.resources import AWS_MACHINE

STEP = removing_step("teardown.aws_machines", "8.6.4-5", (AWS_MACHINE,), mine=of_its_infrastructure)
