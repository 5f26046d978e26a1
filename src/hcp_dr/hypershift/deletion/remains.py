"""The remains of a hosted cluster on the source: objects on which an operator would act, objects outside of its
namespaces, and nodes dedicated to it."""

from __future__ import annotations

from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import (
    AWS_ENDPOINT_SERVICE,
    AWS_MACHINE,
    CLUSTER,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    HOSTED_CLUSTER,
    HOSTED_CONTROL_PLANE,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    NODE,
    NODE_POOL,
    ROLE,
    ROLE_BINDING,
)
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import labels_of, name_of
from hcp_dr.objects.select import node_pools_of
from hcp_dr.upstream import (
    CLUSTER_ANNOTATION,
    CLUSTER_API,
    CONTROL_PLANE_OPERATOR,
    DASHBOARDS_NAMESPACE,
    INGRESS_NAMESPACES,
    OWNER_NAME_LABEL,
    OWNER_NAMESPACE_LABEL,
)

_OUTSIDE: tuple[tuple[Resource, tuple[str | None, ...]], ...] = (
    (CLUSTER_ROLE, (None,)),
    (CLUSTER_ROLE_BINDING, (None,)),
    (ROLE_BINDING, INGRESS_NAMESPACES),
    (ROLE, INGRESS_NAMESPACES),
    (CONFIG_MAP, (DASHBOARDS_NAMESPACE,)),  # its dashboard
)


def outside_of(case: Case, resource: Resource, items: tuple[Object, ...]) -> tuple[Object, ...]:
    """Objects of the cluster outside of its namespaces (rule F5): by owner labels, or by a name that contains the whole
    name of the namespace; nodes dedicated to it by their label."""
    own = case.control_plane_namespace
    if resource == NODE:
        return tuple(item for item in items if labels_of(item).get(CLUSTER_ANNOTATION) == own)
    names = {
        CLUSTER_ROLE_BINDING: f"hypershift-{CLUSTER_API}-{own}",
        ROLE: f"{CONTROL_PLANE_OPERATOR}-{own}",
        ROLE_BINDING: f"{CONTROL_PLANE_OPERATOR}-{own}",
        CONFIG_MAP: f"hc-{case.namespace}-{case.name}",
    }
    return tuple(
        item
        for item in items
        if name_of(item) == names.get(resource)
        or (labels_of(item).get(OWNER_NAMESPACE_LABEL), labels_of(item).get(OWNER_NAME_LABEL))
        == (case.namespace, case.name)
    )


def outside(source: Kubernetes, case: Case) -> tuple[tuple[Resource, Object], ...]:
    """All such objects to delete."""
    return tuple(
        (resource, item)
        for resource, namespaces in _OUTSIDE
        for namespace in namespaces
        for item in outside_of(case, resource, source.list(resource, namespace).items)
    )


def taken_nodes(source: Kubernetes, case: Case) -> tuple[Object, ...]:
    return outside_of(case, NODE, source.list(NODE).items)


_OWN: tuple[Resource, ...] = (
    HOSTED_CONTROL_PLANE,
    AWS_ENDPOINT_SERVICE,
    CLUSTER,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    MACHINE,
    AWS_MACHINE,
)


def left_on_source(ports: Ports, case: Case) -> tuple[str, ...]:
    """The remains of this hosted cluster on which an operator would act."""
    source = ports.source
    hosted_cluster = source.find(HOSTED_CLUSTER, case.name, case.namespace)
    pools = node_pools_of({"metadata": {"name": case.name}}, source.list(NODE_POOL, case.namespace).items)
    own = [item for resource in _OWN for item in source.list(resource, case.control_plane_namespace).items]
    objects = [*([hosted_cluster] if hosted_cluster else []), *pools, *own]
    return tuple(f"{item['kind']} {name_of(item)}" for item in objects)
