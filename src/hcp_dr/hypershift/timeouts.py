"""How long steps wait: the only table of limits, and the source of docs/timeouts.md. A limit counts from the first
observation at which a step had to wait; where the HyperShift operator has to act, from its last sign of life."""

from __future__ import annotations

from hcp_dr.engine.step import Timeout

# Backup.
PAUSE_SPREAD = Timeout(
    180.0,
    "the pause has arrived on all objects",
    "a HyperShift operator becomes the leader after up to 75 seconds, and reconciles hosted clusters in turn",
)
DNS_CACHES = Timeout(
    900.0,
    "resolvers have dropped the old records",
    "the longest TTL of these records, but at most this limit; one minute is added",
)
FENCE_PODS_GONE = Timeout(
    180.0,
    "no pod of a Deployment that the fence stops is left",
    "kube-apiserver serves on for 70 seconds and may take 135; a kubelet must confirm that a pod is gone",
)
FENCED_ETCD_LEADS = Timeout(180.0, "etcd has a Ready leader, behind the fence", "an election, or a pod that restarts")
ETCD_STILL = Timeout(120.0, "etcd's revision stops changing", "keys with a lease still expire in a fenced etcd")
ETCD_ANSWERS = Timeout(120.0, "etcd has a leader that answers", "an election, or a pod that restarts")
ROUTES_GONE = Timeout(
    120.0, "the Routes are gone", "the API server deletes them, and finalizers of other controllers may delay this"
)
DNS_RELEASED = Timeout(
    400.0, "the source's external-dns has deleted its records", "the documented 40 tries, 10 seconds apart"
)

# Restore.
IMAGES_PULLED = Timeout(
    900.0,
    "each image is on a node that may run its pods; twice as long for every node",
    "all images on one node, one after another: some 10 GiB from a slow registry",
)
PULL_PODS_GONE = Timeout(
    120.0,
    "the pods that pulled images, or fetched from the bucket, are gone",
    "the usual grace of 30 seconds, and a kubelet",
)
SNAPSHOT_FETCHED = Timeout(
    180.0,
    "a pod on each node that may run etcd has fetched an object of the bucket",
    "etcd's image is on the nodes by then; network policies and name servers may take a minute for a new pod",
)
TRIALS_ANSWERED = Timeout(
    120.0, "webhooks answer the dry runs on the destination", "an operator with webhooks that restarts"
)
CONTROL_PLANE_SERVES = Timeout(
    1200.0,
    "etcd and kube-apiserver serve on the destination",
    "the HyperShift operator, control-plane-operator, the restore of etcd and its second roll, and kube-apiserver",
)
POOLS_TELL = Timeout(
    600.0,
    "each NodePool reports whether it would roll",
    "the HyperShift operator reconciles NodePools one after another",
)
MACHINES_ADOPTED = Timeout(900.0, "each Machine with a node references it again", "Cluster API reconciles each Machine")

# Verify.
PUBLISH_API = Timeout(
    1200.0,
    "the API's name answers with this cluster",
    "external-dns syncs once a minute, and a resolver may cache the absence of a name for minutes",
)
NODES_READY = Timeout(
    1200.0, "all previous nodes are Ready and renew their leases", "the documented 40 tries, 30 seconds apart"
)
ETCD_MEMBERS = Timeout(600.0, "every etcd member answers", "all etcd pods must become Ready, one after another")
PLACEMENT = Timeout(
    900.0, "the destination holds the whole hosted cluster", "all Deployments of a control plane become ready"
)
IGNITION_TOLD = Timeout(
    180.0,
    "each NodePool reports ReachedIgnitionEndpoint; after that the step continues with a warning",
    "the HyperShift operator reports it during a reconciliation",
)
HOSTED_API = Timeout(
    1200.0, "the hosted API reports its version, and all its nodes are Ready", "kubelets report to the new API server"
)
SOURCE_CLEAN = Timeout(
    300.0,
    "nothing of the hosted cluster is left on the source",
    "volumes, records and roles are removed some time after the namespace",
)

# Teardown.
VOLUMES_RETAINED = Timeout(
    60.0, "the StatefulSets have retained their volumes for 10 seconds", "a running operator would revert it at once"
)
CONTROL_PLANE_STOPPED = Timeout(
    300.0,
    "no pod of the source's control plane, and then of its HyperShift operator, is left",
    "dozens of pods at once, some with their whole grace period",
)
DELETED = Timeout(120.0, "the deleted objects are gone", "their finalizers are removed before and after the deletion")
OPERATOR_STOPPED = Timeout(
    300.0, "no pod of the destination's HyperShift operator is left, in an abort", "its grace period, and a kubelet"
)
OPERATOR_FREE = Timeout(
    600.0,
    "no other relocation has the HyperShift operator stopped, or is starting it again",
    "longer than an abort has the destination's operator stopped",
)
OPERATOR_SHARED = Timeout(
    1800.0,
    "the last relocation with the HyperShift operator stopped has started it again",
    "several teardowns in turn; the hosted cluster is already removed from that management cluster",
)
OPERATOR_BACK = Timeout(
    600.0, "the HyperShift operator has its pods back", "the pods start, and may have to pull their image"
)
NAMESPACE_GONE = Timeout(
    600.0, "the control plane namespace is gone from the source", "load balancers and volumes are removed before it"
)

# Finish.
OVN_READY = Timeout(
    900.0,
    "new pods of OVN are Ready on all nodes",
    "8 minutes until the API proxies of the nodes have restarted, and the same again for delayed restarts and for OVN",
)
OIDC_DOCUMENTS = Timeout(900.0, "the OIDC documents are published", "the HyperShift operator uploads them")

# Abort.
DESTINATION_NAMESPACES_GONE = Timeout(
    300.0, "the destination's namespaces are gone", "they are empty except for the defaults of each namespace"
)
FENCED_READY = Timeout(
    600.0, "the Deployments stopped by the fence are Ready again on the source", "the API servers start before them"
)


def table() -> dict[str, Timeout]:
    """By name, in the order of this file."""
    return {name: value for name, value in globals().items() if isinstance(value, Timeout)}
