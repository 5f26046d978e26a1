"""What of an object may travel to another cluster.

Identity given by the source (uid, resourceVersion, owner references, finalizers) stays behind: a stale owner lets the
garbage collector delete what was restored, and a restored finalizer with a deletion terminates instances.
"""

from __future__ import annotations

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import annotations_of, finalizers_of
from hcp_dr.upstream import (
    API_SERVER_MEMORY,
    CLEANUP_CLOUD_RESOURCES,
    CLUSTER_SCHEDULED,
    HAS_BEEN_AVAILABLE,
    LOAD_BALANCER_NODES,
    LOAD_BALANCER_SUBNETS,
    OIDC_FINALIZER,
    REQUEST_SERVING_SELECTOR,
    RESTART_DATE,
    RESTORED_FROM_BACKUP,
)

_META_OF_THE_SOURCE = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "ownerReferences",
    "finalizers",
    "selfLink",
)
PLACED = (
    CLUSTER_SCHEDULED,
    LOAD_BALANCER_SUBNETS,
    LOAD_BALANCER_NODES,
    API_SERVER_MEMORY,
    REQUEST_SERVING_SELECTOR,
)
"""What the source says of its own nodes, subnets and sizes: it stays behind, and means nothing elsewhere."""
_ANNOTATIONS_OF_THE_SOURCE = frozenset(
    {
        CLEANUP_CLOUD_RESOURCES,
        RESTORED_FROM_BACKUP,
        *PLACED,
        "kubectl.kubernetes.io/last-applied-configuration",
        RESTART_DATE,
        HAS_BEEN_AVAILABLE,
    }
)


def scrub(item: Object) -> Object:
    """Without what the source gave it; status kept on NodePools only (rule A8). What is kept is shared with the item:
    read it only."""
    meta = {key: value for key, value in item["metadata"].items() if key not in _META_OF_THE_SOURCE}
    annotations = {k: v for k, v in annotations_of(item).items() if k not in _ANNOTATIONS_OF_THE_SOURCE}
    meta.pop("annotations", None)
    if annotations:
        meta["annotations"] = annotations
    clean = {**item, "metadata": meta}
    if clean.get("kind") != "NodePool":
        clean.pop("status", None)
    return clean


def anew(item: Object) -> Object:
    """As it can be created again on its own cluster: with its owners there, without what a server gives. Shared as in
    `scrub`."""
    kept = {"ownerReferences", "finalizers"}
    meta = {key: value for key, value in item["metadata"].items() if key in kept or key not in _META_OF_THE_SOURCE}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": meta}


def keeps_oidc_documents(hosted_cluster: Object) -> bool:
    """True where the finalizer says that the documents are in the bucket already: the restored HostedCluster keeps it,
    so that they are not made anew (rule E3)."""
    return OIDC_FINALIZER in finalizers_of(hosted_cluster)
