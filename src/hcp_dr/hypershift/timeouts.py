"""How long steps wait: the one table of all limits, from which docs/timeouts.md is made. A limit counts from the first
look at which a step had to wait for this."""

from __future__ import annotations

from hcp_dr.engine.step import Timeout

# Backup.
PAUSE_SPREAD = Timeout(
    60.0, "the pause has arrived on all objects", "a HyperShift operator that lives spreads it when it reconciles"
)
DNS_CACHES = Timeout(
    900.0,
    "resolvers have forgotten the records as they were",
    "the longest TTL of these records, and no more than this, whatever the TTL; one minute is added",
)
FENCE_PODS_GONE = Timeout(
    180.0,
    "no pod of a Deployment that the fence stops is left",
    "kube-apiserver serves on for 70 seconds and may take 135; a kubelet has to say that a pod is gone",
)
FENCED_ETCD_LEADS = Timeout(180.0, "a Ready pod of etcd leads, behind the fence", "an election, or a pod that restarts")
ETCD_STILL = Timeout(120.0, "etcd's revision stands still", "keys with a lease still expire in a fenced etcd")
ETCD_ANSWERS = Timeout(120.0, "a member of etcd leads and answers", "an election, or a pod that restarts")
ROUTES_GONE = Timeout(
    120.0, "the Routes are gone", "the API server deletes them, and finalizers of others may hold them"
)
DNS_RELEASED = Timeout(
    400.0, "the source's external-dns has deleted its records", "the documented 40 tries, 10 seconds apart"
)

# Restore.
IMAGES_PULLED = Timeout(
    900.0,
    "each image is on a node that may take its pods; for every node twice as long",
    "all images on one node, one after the other: some 10 GiB from a registry that is slow",
)
PULL_PODS_GONE = Timeout(120.0, "the pods that pulled images are gone", "the usual grace of 30 seconds, and a kubelet")
CONTROL_PLANE_SERVES = Timeout(
    1200.0,
    "etcd and kube-apiserver serve on the destination",
    "the HyperShift operator, control-plane-operator, the restore of etcd and its second roll, and kube-apiserver",
)
POOLS_TELL = Timeout(
    300.0,
    "each NodePool says whether it would roll",
    "the HyperShift operator reconciles NodePools one after the other",
)
MACHINES_ADOPTED = Timeout(300.0, "every Machine that has a node knows it again", "Cluster API reconciles each Machine")

# Verify.
PUBLISH_API = Timeout(
    1200.0,
    "the API's name answers with this cluster",
    "external-dns looks once a minute, and a resolver may keep the absence of a name for minutes",
)
NODES_READY = Timeout(
    1200.0, "all nodes of before are Ready and renew their leases", "the documented 40 tries, 30 seconds apart"
)
ETCD_MEMBERS = Timeout(300.0, "every member of etcd answers", "all etcd pods have to be Ready, one after the other")
PLACEMENT = Timeout(
    900.0, "the destination holds the whole hosted cluster", "all Deployments of a control plane become ready"
)
IGNITION_TOLD = Timeout(
    60.0,
    "each NodePool says ReachedIgnitionEndpoint; then the step goes on with a warning",
    "the HyperShift operator says it when it reconciles",
)
HOSTED_API = Timeout(
    600.0, "the hosted API tells its version, and all its nodes are Ready", "kubelets report to the new API server"
)
SOURCE_CLEAN = Timeout(
    300.0,
    "nothing of the hosted cluster is left on the source",
    "volumes, records and roles go a while after the namespace",
)

# Teardown.
VOLUMES_RETAINED = Timeout(
    60.0, "the StatefulSets have retained their volumes for 10 seconds", "an operator that lives would undo it at once"
)
CONTROL_PLANE_STOPPED = Timeout(
    300.0,
    "no pod of the source's control plane, and then of its HyperShift operator, is left",
    "dozens of pods at once, of which some take their whole grace",
)
DELETED = Timeout(120.0, "the deleted objects are gone", "their finalizers are stripped before and after the deletion")
OPERATOR_STOPPED = Timeout(
    300.0, "no pod of the destination's HyperShift operator is left, in an abort", "its grace, and a kubelet"
)
OPERATOR_BACK = Timeout(
    300.0, "the HyperShift operator has its pods back", "they start, and may have to pull their image"
)
NAMESPACE_GONE = Timeout(
    600.0, "the control plane namespace is gone from the source", "load balancers and volumes are removed before it"
)

# Finish.
OVN_READY = Timeout(
    900.0,
    "new pods of OVN are Ready on all nodes",
    "8 minutes until the API proxies of the nodes have restarted, and as much again for held back restarts and for OVN",
)
OIDC_DOCUMENTS = Timeout(300.0, "the OIDC documents are published", "the HyperShift operator uploads them")

# Abort.
DESTINATION_NAMESPACES_GONE = Timeout(
    300.0, "the destination's namespaces are gone", "they are empty but for what each namespace gets"
)
FENCED_READY = Timeout(600.0, "what the fence stopped is Ready again on the source", "the API servers start before it")
CLAIM_FREE = Timeout(
    600.0,
    "no other relocation has the destination's HyperShift operator stopped",
    "longer than another abort holds its claim",
)


def table() -> dict[str, Timeout]:
    """By name, in the order of this file."""
    return {name: value for name, value in globals().items() if isinstance(value, Timeout)}
