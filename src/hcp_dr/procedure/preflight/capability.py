"""Can the two management clusters do this: are they two, do they speak the same versions, may the given credentials do
what the plan will need, and has the destination what the control plane asks for?"""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.kube.port import Resource
from hcp_dr.kube.resources import (
    AWS_CLUSTER,
    AWS_ENDPOINT_SERVICE,
    AWS_MACHINE,
    AWS_MACHINE_TEMPLATE,
    CLUSTER,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    CUSTOM_RESOURCE_DEFINITION,
    DEPLOYMENT,
    HOSTED_CLUSTER,
    HOSTED_CONTROL_PLANE,
    LEASE,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_HEALTH_CHECK,
    MACHINE_SET,
    NAMESPACE,
    NODE,
    NODE_POOL,
    PERSISTENT_VOLUME,
    POD,
    ROLE,
    ROLE_BINDING,
    ROUTE,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
)
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.reading import (
    dig,
    first_container,
    flags_of,
    is_ready_pod,
    labels_of,
    name_of,
    selects,
)
from hcp_dr.objects.scrub import keeps_oidc_documents
from hcp_dr.procedure.preflight import verdict

URL_CRD = "hostedclusters.hypershift.openshift.io"
_CARRIED = (HOSTED_CLUSTER, CLUSTER, AWS_CLUSTER, ROUTE)  # one resource for each API group that is needed
_MACHINERY = (CLUSTER, AWS_CLUSTER, AWS_MACHINE_TEMPLATE, MACHINE_DEPLOYMENT, MACHINE_SET, MACHINE, AWS_MACHINE)
NEEDED: dict[Side, tuple[tuple[Resource, str | None, tuple[str, ...]], ...]] = {
    "source": (
        (HOSTED_CLUSTER, None, ("get", "patch", "delete")),
        (NODE_POOL, None, ("get", "list", "patch", "delete")),
        (HOSTED_CONTROL_PLANE, None, ("get", "patch", "delete")),
        *((resource, None, ("list", "patch", "delete")) for resource in (*_MACHINERY, MACHINE_HEALTH_CHECK)),
        (AWS_ENDPOINT_SERVICE, None, ("list", "patch", "delete")),
        (SECRET, None, ("list", "patch")),
        (CONFIG_MAP, None, ("list", "patch", "delete")),
        (DEPLOYMENT, None, ("list", "patch")),
        (STATEFUL_SET, None, ("list", "patch")),
        (POD, None, ("list", "delete")),
        (POD, "exec", ("get", "create")),  # the connection begins with a GET; Kubernetes 1.35 asks for both
        (ROUTE, None, ("list", "delete")),
        (SERVICE, None, ("list", "patch")),
        (NAMESPACE, None, ("get", "delete")),
        (NODE, None, ("list", "patch")),
        (PERSISTENT_VOLUME, None, ("list",)),
        (LEASE, None, ("get", "create", "update", "patch")),
        *(
            (resource, None, ("list", "delete"))
            for resource in (CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE, ROLE_BINDING)
        ),
    ),
    "destination": (
        (HOSTED_CLUSTER, None, ("get", "create", "patch")),
        (NODE_POOL, None, ("list", "create", "patch")),
        (NODE_POOL, "status", ("patch",)),
        *((resource, None, ("list", "create", "patch", "delete")) for resource in _MACHINERY),
        (MACHINE_HEALTH_CHECK, None, ("list", "patch")),
        (SECRET, None, ("list", "create", "delete")),
        (CONFIG_MAP, None, ("list", "create", "delete")),
        (DEPLOYMENT, None, ("list",)),
        (STATEFUL_SET, None, ("list",)),
        (POD, None, ("list", "delete")),
        (POD, "exec", ("get", "create")),  # the connection begins with a GET; Kubernetes 1.35 asks for both
        (NAMESPACE, None, ("get", "create")),
        (LEASE, None, ("get", "create", "update", "patch")),
    ),
}


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """One management cluster."""

    side: Side
    server: str
    uid: str  # of namespace kube-system: tells two clusters apart
    missing_versions: tuple[str, ...]
    operator_image: str
    registry_overrides: str  # as given to the operator
    documents_bucket: str  # where the operator keeps OIDC documents, "" where it was not told
    operator_ready: bool
    storage_classes: tuple[str, ...]
    node_labels: tuple[dict[str, str], ...]
    snapshot_urls: int  # how many the schema of restoreSnapshotURL takes; 0 where it has no such field
    denied: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    clusters: tuple[ClusterFacts, ...]
    etcd_storage_class: str
    node_selector: dict[str, str]
    keeps_documents: bool  # its OIDC documents are in the operator's bucket, made from the control plane's own key


def _url_count(definition: dict[str, object] | None) -> int:
    for version in dig(definition, "spec", "versions") or ():
        field = dig(
            version,
            *("schema", "openAPIV3Schema", "properties", "spec", "properties", "etcd", "properties", "managed"),
            *("properties", "storage", "properties", "restoreSnapshotURL"),
        )
        if field is not None:
            return int(field.get("maxItems", 100))
    return 0


def _look_at(ports: Ports, side: Side) -> ClusterFacts:
    cluster = ports.cluster(side)
    operator = cluster.find(DEPLOYMENT, "operator", "hypershift") or {}
    selector = dig(operator, "spec", "selector", "matchLabels") or {}
    container = first_container(operator)
    flags = flags_of(container)
    pods = [pod for pod in cluster.list(POD, "hypershift").items if selects(selector, pod)]
    return ClusterFacts(
        side=side,
        server=cluster.server,
        uid=str(dig(cluster.get(NAMESPACE, "kube-system"), "metadata", "uid")),
        missing_versions=tuple(r.api_version for r in _CARRIED if r.version not in cluster.versions(r.group)),
        operator_image=str(container.get("image", "")),
        registry_overrides=",".join(sorted(flags.get("registry-overrides", ()))),
        documents_bucket=next(iter(flags.get("oidc-storage-provider-s3-bucket-name", ())), ""),
        operator_ready=any(is_ready_pod(pod) for pod in pods),
        storage_classes=tuple(name_of(item) for item in cluster.list(STORAGE_CLASS).items),
        node_labels=tuple(dict(labels_of(node)) for node in cluster.list(NODE).items),
        snapshot_urls=_url_count(cluster.find(CUSTOM_RESOURCE_DEFINITION, URL_CRD)),
        denied=tuple(
            f"{verb} {resource}{'/' + subresource if subresource else ''}"
            for resource, subresource, verbs in NEEDED[side]
            for verb in verbs
            if not cluster.may(verb, resource, subresource=subresource)
        ),
    )


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    hosted_cluster = ports.source.get(HOSTED_CLUSTER, case.name, case.namespace)
    storage = dig(hosted_cluster, "spec", "etcd", "managed", "storage", "persistentVolume") or {}
    return Facts(
        clusters=(_look_at(ports, "source"), _look_at(ports, "destination")),
        etcd_storage_class=str(storage.get("storageClassName") or ""),
        node_selector=dict(dig(hosted_cluster, "spec", "nodeSelector") or {}),
        keeps_documents=keeps_oidc_documents(hosted_cluster),
    )


def _check_cluster(cluster: ClusterFacts, facts: Facts) -> list[Check]:
    side = cluster.side
    found = []
    if cluster.missing_versions:
        found.append(
            Check(
                f"versions.{side}",
                "blocked",
                f"not served there: {', '.join(cluster.missing_versions)}",
                "objects are carried in exactly these API versions",
                "install the HyperShift release that serves them",
            )
        )
    else:
        found.append(Check(f"versions.{side}", "ok", "all API versions are served"))
    if cluster.denied:
        found.append(
            Check(
                f"permissions.{side}",
                "blocked",
                f"not allowed: {', '.join(cluster.denied)}",
                "the relocation would stop half-way",
                f"give the user of the {side} kubeconfig these permissions",
            )
        )
    else:
        found.append(Check(f"permissions.{side}", "ok", "every verb the plan uses is allowed"))
    if side == "destination":
        found += _check_destination(cluster, facts)
    return found


def _check_destination(cluster: ClusterFacts, facts: Facts) -> list[Check]:
    found = []
    if not cluster.operator_ready:
        found.append(
            Check(
                "operator.destination",
                "blocked",
                "no pod of Deployment hypershift/operator is ready",
                "nobody would build the control plane",
                "bring the HyperShift operator of the destination up",
            )
        )
    else:
        found.append(Check("operator.destination", "ok", f"ready, {cluster.operator_image}"))
    if cluster.snapshot_urls < 1:
        found.append(
            Check(
                "restore_url.destination",
                "blocked",
                "the HostedCluster schema there takes no restoreSnapshotURL",
                "etcd could not be restored",
                "install a HyperShift release with it",
            )
        )
    if facts.etcd_storage_class and facts.etcd_storage_class not in cluster.storage_classes:
        found.append(
            Check(
                "storage_class.destination",
                "blocked",
                f"StorageClass {facts.etcd_storage_class} is not among {', '.join(cluster.storage_classes) or 'none'}",
                "etcd's volume would stay pending",
                "create the StorageClass on the destination",
            )
        )
    if facts.node_selector and not any(
        all(labels.get(key) == value for key, value in facts.node_selector.items()) for labels in cluster.node_labels
    ):
        found.append(
            Check(
                "node_selector.destination",
                "blocked",
                f"no node there has {facts.node_selector}",
                "the control plane's pods would stay pending",
                "label nodes of the destination",
            )
        )
    return found


def checks(facts: Facts) -> tuple[Check, ...]:
    source, destination = facts.clusters
    found: list[Check] = []
    if source.uid == destination.uid:
        found.append(
            Check(
                "two_clusters",
                "blocked",
                f"both kubeconfigs reach the cluster with kube-system uid {source.uid}",
                "a hosted cluster cannot be relocated onto itself",
                "point MGMT2_KUBECONFIG at the destination",
            )
        )
    else:
        found.append(Check("two_clusters", "ok", f"{source.server} and {destination.server}"))
    builds = [(side.operator_image, side.registry_overrides) for side in facts.clusters]
    if builds[0] != builds[1]:
        told = [f"{image} with overrides {overrides or 'none'}" for image, overrides in builds]
        found.append(
            Check(
                "operator_build",
                "warning",
                f"{told[0]} on the source, {told[1]} on the destination",
                "different builds may compute other machine templates and roll the NodePools",
                "install the same HyperShift build on both, with the same registry overrides",
            )
        )
    for cluster in facts.clusters:
        found += _check_cluster(cluster, facts)
    found.append(_check_documents(facts))
    return tuple(found)


def _check_documents(facts: Facts) -> Check:
    """The issuer's URL names the bucket of the source's operator (rule E3)."""
    source, destination = (side.documents_bucket or "(not told)" for side in facts.clusters)
    if not facts.keeps_documents or source == destination:
        return Check("oidc_documents", "ok", "the OIDC documents stay where they are")
    return Check(
        "oidc_documents",
        "blocked",
        f"documents in bucket {source}, the destination's operator keeps its own in {destination}",
        "its issuer's URL names the first one, and nobody would look after the documents there",
        "give both operators the same bucket, or the hosted cluster a serviceAccountSigningKey of its own",
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.capability", documented="-", observe=observe, plan=plan)
