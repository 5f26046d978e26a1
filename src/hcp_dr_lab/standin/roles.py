"""All roles of a management cluster in the order of execution, and the kinds that they read."""

from __future__ import annotations

from collections.abc import Callable

from hcp_dr.kube import resources as r
from hcp_dr_lab.ground.names import CAPI_PROVIDER, CLUSTER_API
from hcp_dr_lab.standin import (
    autoscaler,
    aws_provider,
    cluster_api,
    control_plane_operator,
    hypershift_operator,
    ignition_server,
    in_place_upgrader,
    load_balancers,
    monitoring_recovery,
    node_tuning,
    pki_operator,
    volumes,
)
from hcp_dr_lab.standin.change import Change
from hcp_dr_lab.standin.view import View

ROLES: tuple[tuple[str, Callable[[View], list[Change]]], ...] = (
    ("storage", volumes.reconcile),
    ("cloud-controller", load_balancers.reconcile),
    ("hypershift-operator", hypershift_operator.reconcile),
    ("control-plane-operator", control_plane_operator.reconcile),
    ("ignition-server", ignition_server.reconcile),
    ("control-plane-pki-operator", pki_operator.reconcile),
    ("cluster-node-tuning-operator", node_tuning.reconcile),
    ("hosted-cluster-config-operator", in_place_upgrader.reconcile),
    ("hosted-cluster-config-operator", monitoring_recovery.reconcile),
    ("cluster-autoscaler", autoscaler.reconcile),
    (CLUSTER_API, cluster_api.reconcile),
    (CAPI_PROVIDER, aws_provider.reconcile),
)
CONTROLLERS = frozenset({CLUSTER_API, CAPI_PROVIDER})
"""Roles that real programs can take over."""
RESOURCES = (
    *(r.NAMESPACE, r.SECRET, r.CONFIG_MAP, r.POD, r.SERVICE, r.SERVICE_ACCOUNT, r.PERSISTENT_VOLUME),
    *(r.PERSISTENT_VOLUME_CLAIM, r.DEPLOYMENT, r.STATEFUL_SET, r.CLUSTER_ROLE, r.CLUSTER_ROLE_BINDING, r.ROUTE),
    *(r.NODE, r.ROLE, r.ROLE_BINDING),
    *(r.HOSTED_CLUSTER, r.NODE_POOL, r.HOSTED_CONTROL_PLANE, r.AWS_ENDPOINT_SERVICE, r.CLUSTER),
    *(r.MACHINE_DEPLOYMENT, r.MACHINE_SET, r.MACHINE, r.MACHINE_HEALTH_CHECK),
    *(r.AWS_CLUSTER, r.AWS_MACHINE, r.AWS_MACHINE_TEMPLATE),
)
