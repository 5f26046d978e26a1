"""Leftovers of a hosted cluster on a management cluster, and in the zone under the management cluster's owner ID."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hcp_dr.errors import NotFound
from hcp_dr.kube.port import Kubernetes, Object, Resource
from hcp_dr.kube.resources import (
    AWS_CLUSTER,
    AWS_ENDPOINT_SERVICE,
    AWS_MACHINE,
    AWS_MACHINE_TEMPLATE,
    CLUSTER,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    HOSTED_CLUSTER,
    HOSTED_CONTROL_PLANE,
    LEASE,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_HEALTH_CHECK,
    MACHINE_SET,
    NAMESPACE,
    NODE_POOL,
    PERSISTENT_VOLUME,
    PERSISTENT_VOLUME_CLAIM,
    ROLE,
    ROLE_BINDING,
)
from hcp_dr_lab.ground.layout import HostedClusterNames

OWNER_NAMESPACE = "hypershift.openshift.io/owner.namespace"
OWNER_NAME = "hypershift.openshift.io/owner.name"

_IN_CONTROL_PLANE_NAMESPACE = (
    HOSTED_CONTROL_PLANE,
    CLUSTER,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    MACHINE,
    MACHINE_HEALTH_CHECK,
    AWS_CLUSTER,
    AWS_MACHINE,
    AWS_MACHINE_TEMPLATE,
    AWS_ENDPOINT_SERVICE,
    PERSISTENT_VOLUME_CLAIM,
)
_BY_OWNER = (CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING)


def on_cluster(cluster: Kubernetes, names: HostedClusterNames) -> list[str]:
    """Find objects of this hosted cluster, except the shared namespace of HostedClusters and marks of the parent."""
    place = names.control_plane_namespace
    found = [
        _words(HOSTED_CLUSTER, item) for item in _list(cluster, HOSTED_CLUSTER, names.namespace) if _is(item, names)
    ]
    found += [
        _words(NODE_POOL, item)
        for item in _list(cluster, NODE_POOL, names.namespace)
        if item["spec"].get("clusterName") == names.name
    ]
    for kind in _IN_CONTROL_PLANE_NAMESPACE:
        found += [_words(kind, item) for item in _list(cluster, kind, place)]
    if cluster.find(NAMESPACE, place):
        found.append(f"Namespace {place}")
    found += [
        _words(PERSISTENT_VOLUME, item)
        for item in _list(cluster, PERSISTENT_VOLUME)
        if (item["spec"].get("claimRef") or {}).get("namespace") == place
    ]
    for kind in _BY_OWNER:
        found += [_words(kind, item) for item in _list(cluster, kind) if _belongs(item, names)]
    found += [_words(LEASE, item) for item in _list(cluster, LEASE, "default") if _is_held_for(item, names)]
    return found


def in_zone(records: Iterable[tuple[str, str, Sequence[str]]], owner: str, names: HostedClusterNames) -> list[str]:
    """Find TXT records of this owner for names of this hosted cluster. `records` are name, type and values."""
    return [
        f"TXT {name} of {owner}"
        for name, kind, values in records
        if kind == "TXT" and any(_claims(value, owner, names) for value in values)
    ]


def _claims(value: str, owner: str, names: HostedClusterNames) -> bool:
    words = value.strip('"').split(",")
    place = f"/{names.control_plane_namespace}/"
    mine = f"external-dns/owner={owner}" in words
    return mine and any(word.startswith("external-dns/resource=") and place in word for word in words)


def _list(cluster: Kubernetes, kind: Resource, namespace: str | None = None) -> Iterator[Object]:
    try:
        yield from cluster.list(kind, namespace).items
    except NotFound:
        return


def _is(item: Object, names: HostedClusterNames) -> bool:
    return bool(item["metadata"]["name"] == names.name)


def _belongs(item: Object, names: HostedClusterNames) -> bool:
    metadata = item["metadata"]
    labels = metadata.get("labels") or {}
    labelled = (labels.get(OWNER_NAMESPACE), labels.get(OWNER_NAME)) == (names.namespace, names.name)
    return labelled or metadata["name"].endswith(f"-{names.control_plane_namespace}")


def _is_held_for(lease: Object, names: HostedClusterNames) -> bool:
    """Return whether a relocation still owns the Lease permanently, alone or with others. A renewed Lease expires by
    itself."""
    annotations, spec = lease["metadata"].get("annotations") or {}, lease.get("spec") or {}
    held = f"{names.namespace}/{names.name}" in annotations.values() or any(
        key.endswith(f"/{names.namespace}.{names.name}") for key in annotations
    )
    return held and bool(spec.get("holderIdentity")) and not spec.get("renewTime")


def _words(kind: Resource, item: Object) -> str:
    metadata = item["metadata"]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{kind.kind} {place}{metadata['name']}"
