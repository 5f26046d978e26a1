"""Removes the fields of an object that must not be carried to another cluster.

The identity from the source (uid, resourceVersion, owner references, finalizers) stays behind: with a stale owner the
garbage collector deletes the restored object, and a restored finalizer with a deletion terminates instances.
"""

from __future__ import annotations

from hcp_dr.kube.port import Object
from hcp_dr.objects.field_owners import writers
from hcp_dr.objects.reading import annotations_of, finalizers_of, labels_of
from hcp_dr.upstream import (
    API_SERVER_MEMORY,
    CLEANUP_CLOUD_RESOURCES,
    CLUSTER_SCHEDULED,
    CONTROLLER_MANAGERS,
    HAS_BEEN_AVAILABLE,
    HOSTED_CLUSTER_SIZE,
    LOAD_BALANCER_NODES,
    LOAD_BALANCER_SUBNETS,
    OIDC_FINALIZER,
    REQUEST_SERVING_SELECTOR,
    RESOURCE_REQUEST_PREFIX,
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
_PLACED = (
    CLUSTER_SCHEDULED,
    LOAD_BALANCER_SUBNETS,
    LOAD_BALANCER_NODES,
    API_SERVER_MEMORY,
    REQUEST_SERVING_SELECTOR,
)
"""Annotations about the source's nodes, subnets and sizes: they stay behind, and have no meaning on another cluster."""
_ANNOTATIONS_OF_THE_SOURCE = frozenset(
    {
        CLEANUP_CLOUD_RESOURCES,
        RESTORED_FROM_BACKUP,
        *_PLACED,
        "kubectl.kubernetes.io/last-applied-configuration",
        RESTART_DATE,
        HAS_BEEN_AVAILABLE,
    }
)


def scrub(item: Object) -> Object:
    """The object without the fields and annotations of the source; only NodePools keep their status (rule A8). The
    result shares its values with `item`: do not modify them."""
    meta = {key: value for key, value in item["metadata"].items() if key not in _META_OF_THE_SOURCE}
    annotations = {
        k: v for k, v in annotations_of(item).items() if k not in _ANNOTATIONS_OF_THE_SOURCE and not _is_sized(item, k)
    }
    labels = {k: v for k, v in labels_of(item).items() if k != HOSTED_CLUSTER_SIZE}
    for field, kept in (("annotations", annotations), ("labels", labels)):
        meta.pop(field, None)
        if kept:
            meta[field] = kept
    scrubbed = {**item, "metadata": meta}
    if scrubbed.get("kind") != "NodePool":
        scrubbed.pop("status", None)
    return scrubbed


def placed(item: Object) -> tuple[str, ...]:
    """Its annotations and labels about the source's nodes, subnets and sizes."""
    sized = (key for key in annotations_of(item) if _is_sized(item, key))
    return (
        *(key for key in _PLACED if key in annotations_of(item)),
        *sized,
        *(key for key in (HOSTED_CLUSTER_SIZE,) if key in labels_of(item)),
    )


def _is_sized(item: Object, annotation: str) -> bool:
    """Whether it is a resource request by the source's operator, for the size of this hosted cluster there; an
    administrator's is carried."""
    if not annotation.startswith(RESOURCE_REQUEST_PREFIX):
        return False
    managers = {writer.manager for writer in writers(item, "metadata", "annotations", annotation)}
    return bool(managers) and managers <= {*CONTROLLER_MANAGERS}


def recreatable(item: Object) -> Object:
    """The object as it can be created again on its own cluster: with its owners, without the fields that the server
    sets. Shares values as `scrub`."""
    kept = {"ownerReferences", "finalizers"}
    meta = {key: value for key, value in item["metadata"].items() if key in kept or key not in _META_OF_THE_SOURCE}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": meta}


def keeps_oidc_documents(hosted_cluster: Object) -> bool:
    """Whether the HostedCluster has the finalizer for OIDC documents in the bucket: the restored HostedCluster keeps
    the finalizer, so that the operator does not create the documents again (rule E3)."""
    return OIDC_FINALIZER in finalizers_of(hosted_cluster)
