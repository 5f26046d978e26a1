"""All objects of a hosted cluster that move from one management cluster to another, as they are on the source."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from hcp_dr.kube.port import Listing, Object, Resource
from hcp_dr.kube.resources import (
    AWS_CLUSTER,
    AWS_MACHINE,
    AWS_MACHINE_TEMPLATE,
    CLUSTER,
    CONFIG_MAP,
    HOSTED_CLUSTER,
    HOSTED_CONTROL_PLANE,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_HEALTH_CHECK,
    MACHINE_SET,
    NODE_POOL,
    SECRET,
)
from hcp_dr.model import Case
from hcp_dr.objects.closing import place_of
from hcp_dr.objects.reading import is_deleting, name_of
from hcp_dr.objects.select import (
    control_plane_config_maps,
    inputs_of,
    node_pools_of,
    of_infrastructure,
    referenced_config_maps,
    referenced_secrets,
    travels,
)

MACHINERY: tuple[Resource, ...] = (
    CLUSTER,
    AWS_CLUSTER,
    AWS_MACHINE_TEMPLATE,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    MACHINE,
    AWS_MACHINE,
)
"""The documented kinds. The HyperShift operator creates MachineHealthChecks again: paused, never moved."""

RESOURCES: dict[str, Resource] = {
    resource.kind: resource
    for resource in (
        HOSTED_CLUSTER,
        NODE_POOL,
        HOSTED_CONTROL_PLANE,
        SECRET,
        CONFIG_MAP,
        MACHINE_HEALTH_CHECK,
        *MACHINERY,
    )
}

NO_VERSIONS: Mapping[str, str] = MappingProxyType({})

REQUIRED_KINDS = (
    *("HostedCluster", "NodePool", "Secret", "Cluster", "AWSCluster", "AWSMachineTemplate", "MachineSet"),
    *("Machine", "AWSMachine"),
)
"""Every hosted cluster has some objects of each kind, with any upgrade type of its NodePools: a backup without one of
these kinds is no backup."""


class Shelf(Protocol):
    """A source of objects: a management cluster, or a backup folder made by hand."""

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object: ...

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None: ...

    def list(self, resource: Resource, namespace: str | None = None) -> Listing: ...


def read_inventory(cluster: Shelf, case: Case, versions: Mapping[str, str] = NO_VERSIONS) -> tuple[Object, ...]:
    """All objects that move. The plan judges an empty kind; an unreadable kind raises. `versions`, by kind, replace the
    versions in which the cluster stores machine objects."""
    return read_inventory_and_rest(cluster, case, versions)[0]


def read_inventory_and_rest(
    cluster: Shelf, case: Case, versions: Mapping[str, str] = NO_VERSIONS
) -> tuple[tuple[Object, ...], tuple[Object, ...]]:
    """All objects that move, and the rest of these kinds in the control plane namespace, which has no other cluster."""
    hosted_cluster = cluster.get(HOSTED_CLUSTER, case.name, case.namespace)
    pools = node_pools_of(hosted_cluster, cluster.list(NODE_POOL, case.namespace).items)
    secrets = cluster.list(SECRET, case.namespace).items
    config_maps = cluster.list(CONFIG_MAP, case.namespace).items
    namespace = case.control_plane_namespace
    own_secrets, own_config_maps = cluster.list(SECRET, namespace).items, cluster.list(CONFIG_MAP, namespace).items
    control_plane = cluster.find(HOSTED_CONTROL_PLANE, case.name, namespace)
    asked = [(kind, kind.at(versions[kind.kind]) if kind.kind in versions else kind) for kind in MACHINERY]
    machinery = [(kind, cluster.list(resource, namespace).items) for kind, resource in asked]
    own = (
        *(secret for secret in own_secrets if travels(secret)),
        *control_plane_config_maps(own_config_maps),
        *((control_plane,) if control_plane else ()),
        *(item for resource, items in machinery for item in _of_this_cluster(case, resource, items)),
    )
    present = (*own_secrets, *own_config_maps, *(item for _, items in machinery for item in items))
    own_places = {place_of(item) for item in own}
    rest = tuple(item for item in present if place_of(item) not in own_places)
    inputs = (
        hosted_cluster,
        *pools,
        *inputs_of(hosted_cluster, referenced_secrets(hosted_cluster), secrets),
        *inputs_of(hosted_cluster, referenced_config_maps(hosted_cluster, pools), config_maps),
    )
    return (*inputs, *own), (*rest, *cluster.list(MACHINE_HEALTH_CHECK, namespace).items)


def _of_this_cluster(case: Case, resource: Resource, items: tuple[Object, ...]) -> tuple[Object, ...]:
    if resource == CLUSTER:
        return tuple(item for item in items if name_of(item) == case.infra_id)
    if resource in (AWS_CLUSTER, AWS_MACHINE_TEMPLATE):
        return items  # the control plane namespace belongs to this cluster alone, and older objects have no label
    return of_infrastructure(case.infra_id, items)


def being_deleted(cluster: Shelf, case: Case) -> tuple[str, ...]:
    """The NodePools and machine objects in deletion, by kind and name: a controller that starts would finish the
    deletion and terminate instances (rule A2)."""
    pools = node_pools_of({"metadata": {"name": case.name}}, cluster.list(NODE_POOL, case.namespace).items)
    machinery = [item for resource in MACHINERY for item in cluster.list(resource, case.control_plane_namespace).items]
    return tuple(f"{item['kind']} {name_of(item)}" for item in (*pools, *machinery) if is_deleting(item))
