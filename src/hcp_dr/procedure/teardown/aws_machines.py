"""Removes the AWSMachines: the Kubernetes objects only, the instances live on under the destination's. They go before
their Machines and Cluster (rule F3), and never while capi-provider lives: it would terminate the instances."""

from __future__ import annotations

from hcp_dr.hypershift.deletion.protocol import removing_step
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import AWS_MACHINE
from hcp_dr.model import Case
from hcp_dr.objects.select import of_infrastructure


def mine(case: Case, items: tuple[Object, ...]) -> tuple[Object, ...]:
    return of_infrastructure(case.infra_id, items)


STEP = removing_step("teardown.aws_machines", "8.6.4-5", (AWS_MACHINE,), mine=mine)
