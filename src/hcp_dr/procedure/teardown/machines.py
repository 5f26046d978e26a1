"""Removes Machines, MachineSets, MachineDeployments and MachineHealthChecks."""

from __future__ import annotations

from hcp_dr.hypershift.deletion.protocol import of_its_infrastructure, removing_step
from hcp_dr.kube.resources import MACHINE, MACHINE_DEPLOYMENT, MACHINE_HEALTH_CHECK, MACHINE_SET

STEP = removing_step(
    "teardown.machines",
    "8.6.4-3",
    (MACHINE, MACHINE_SET, MACHINE_DEPLOYMENT, MACHINE_HEALTH_CHECK),
    mine=of_its_infrastructure,
)
