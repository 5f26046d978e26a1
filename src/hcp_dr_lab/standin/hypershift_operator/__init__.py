"""The HyperShift operator: from HostedClusters and NodePools to control planes and machine deployments."""

from __future__ import annotations

from hcp_dr.kube import resources as r
from hcp_dr_lab.ground.names import OPERATOR, OPERATOR_NAMESPACE
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.hypershift_operator import (
    deletion,
    endpoint_services,
    hosted_cluster,
    janitor,
    node_pool,
)
from hcp_dr_lab.standin.shape import deleting
from hcp_dr_lab.standin.view import View


def reconcile(view: View) -> list[Change]:
    if not view.active(OPERATOR_NAMESPACE, OPERATOR):
        return []
    changes: list[Change] = []
    for found in view.all(r.HOSTED_CLUSTER):
        part = deletion.hosted_cluster if deleting(found) else hosted_cluster.reconcile
        changes += part(view, found)
    for found in view.all(r.NODE_POOL):
        changes += deletion.node_pool(view, found) if deleting(found) else node_pool.reconcile(view, found)
    return changes + endpoint_services.reconcile(view) + janitor.reconcile(view)
