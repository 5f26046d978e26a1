"""Restores the Secrets of the control plane namespace, above all the certificate authorities and the service account
key: the control plane operator keeps existing Secrets and generates missing Secrets, and a new authority means a dead
cluster (rules B1, B2).

The token-* and user-data-* Secrets are excluded: the janitor deletes these Secrets while their NodePool is absent (rule
A10).
"""

from __future__ import annotations

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Step
from hcp_dr.hypershift import steps
from hcp_dr.hypershift.backup_objects import DataFacts, after_missing, existing, plan_missing, to_restore
from hcp_dr.hypershift.deletion.rollback import Made, made, revert
from hcp_dr.kube.resources import CONFIG_MAP, SECRET
from hcp_dr.model import Case, Ports
from hcp_dr.objects.select import is_token_secret


def observe(ports: Ports, case: Case, memory: RunState) -> DataFacts:
    wanted = tuple(
        item
        for item in to_restore(ports, case)
        if item.entry.namespace == case.control_plane_namespace
        and item.entry.kind in ("Secret", "ConfigMap")
        and not is_token_secret(item.body)
    )
    return DataFacts(case.backup_id, wanted, existing(ports.destination, wanted))


def look_back(ports: Ports, case: Case, memory: RunState) -> Made:
    """Includes the token-* and user-data-* Secrets, which are created later."""
    return Made(made(ports, case, (SECRET, CONFIG_MAP), case.control_plane_namespace))


STEP = Step(
    name=steps.RESTORE_CONTROL_PLANE_SECRETS,
    documented="8.6.3-4",
    observe=observe,
    plan=plan_missing,
    afterwards=after_missing,
    look_back=look_back,
    revert=revert,
)
