"""What of an object may travel to another cluster.

Identity given by the source (uid, resourceVersion, owner references, finalizers) stays behind: a stale owner lets the
garbage collector delete what was restored, and a restored finalizer with a deletion terminates instances.
"""

from __future__ import annotations

from hcp_dr.kube.port import Object
from hcp_dr.objects.reading import annotations_of, finalizers_of

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
CLEANUP = "hypershift.openshift.io/cleanup-cloud-resources"
"""A HostedControlPlane that is deleted with this takes the security group's rules and more along, paused or not (rule
E4). It is an order for a deletion, given to the source's copy at most, and never carried."""
RESTORED = "hypershift.openshift.io/restored-from-backup"
"""On a HostedCluster it has the hosted-cluster-config-operator (4.20 and later) delete every PersistentVolumeClaim of
openshift-monitoring in the hosted cluster where Prometheus is not fully available (rule A11). Whoever restored it
before may have set it; it is never set and never carried."""
PLACED = tuple(
    f"hypershift.openshift.io/{name}"
    for name in (
        "cluster-scheduled",
        "aws-load-balancer-subnets",
        "aws-load-balancer-target-node-labels",
        "kube-apiserver-gomemlimit",
        "request-serving-node-additional-selector",
    )
)
"""What the source says of its own nodes, subnets and sizes: it stays behind, and means nothing elsewhere."""
_ANNOTATIONS_OF_THE_SOURCE = frozenset(
    {
        CLEANUP,
        RESTORED,
        *PLACED,
        "kubectl.kubernetes.io/last-applied-configuration",
        "hypershift.openshift.io/restart-date",
        "hypershift.openshift.io/HasBeenAvailable",
    }
)
OIDC_FINALIZER = "hypershift.io/aws-oidc-discovery"


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
