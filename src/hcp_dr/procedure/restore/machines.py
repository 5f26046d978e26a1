"""Restores the machine objects so that the running instances are adopted, not replaced: owners before owned objects,
with the owners' new uids, without finalizers, every object with a paused annotation (rules A2, A4, A5, A7).

The order takes rounds: create the owners, read the new uids, create the owned objects.
"""

from __future__ import annotations

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Step
from hcp_dr.hypershift import steps
from hcp_dr.hypershift.deletion.rollback import Made, alive, made, revert
from hcp_dr.hypershift.machines.restore import afterwards, observe, plan
from hcp_dr.kube.resources import (
    AWS_CLUSTER,
    AWS_MACHINE,
    AWS_MACHINE_TEMPLATE,
    CLUSTER,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
)
from hcp_dr.model import Case, Ports

BACKWARDS = (AWS_MACHINE, MACHINE, MACHINE_SET, MACHINE_DEPLOYMENT, AWS_MACHINE_TEMPLATE, AWS_CLUSTER, CLUSTER)
"""Rule F3: the order of the teardown."""


def look_back(ports: Ports, case: Case, memory: RunState) -> Made:
    return Made(made(ports, case, BACKWARDS, case.control_plane_namespace), alive(ports, case))


STEP = Step(
    name=steps.RESTORE_MACHINES,
    documented="8.6.3-4,5",
    observe=observe,
    plan=plan,
    afterwards=afterwards,
    look_back=look_back,
    revert=revert,
)
