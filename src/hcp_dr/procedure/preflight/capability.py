"""Can the two management clusters do this: are they two, do they speak the same versions, may the given credentials do
what the plan will need, and has the destination what the control plane asks for?"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import (
    AWS_CLUSTER,
    CLUSTER,
    CUSTOM_RESOURCE_DEFINITION,
    DEPLOYMENT,
    HOSTED_CLUSTER,
    NAMESPACE,
    NODE,
    POD,
    ROUTE,
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
from hcp_dr.procedure.documents import bucket_of
from hcp_dr.procedure.permissions import denied
from hcp_dr.procedure.preflight import bad_if, verdict

_SETTINGS = ("IMAGE_SHARED_INGRESS_HAPROXY",)
"""What of the operator's environment changes the configuration of machines (hypershift pull request 8698)."""
URL_CRD = "hostedclusters.hypershift.openshift.io"
_CARRIED = (HOSTED_CLUSTER, CLUSTER, AWS_CLUSTER, ROUTE)  # one resource for each API group that is needed


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
    operator_digest: str = ""  # of the image that runs; "" where no pod tells
    operator_settings: str = ""  # environment that goes into machine configuration


@dataclass(frozen=True, slots=True)
class Facts:
    clusters: tuple[ClusterFacts, ...]
    etcd_storage_class: str
    node_selector: dict[str, str]
    keeps_documents: bool  # its OIDC documents are in the operator's bucket, made from the control plane's own key
    denied_inside: tuple[str, ...] | None = ()  # in the hosted cluster; None where it is not asked


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


def _digest(pod: Object) -> str:
    """Of the image that its first container runs, as the registry knows it; "" for one that came from none."""
    statuses = dig(pod, "status", "containerStatuses") or [{}]
    _, at, digest = str(statuses[0].get("imageID", "")).rpartition("@")
    return digest if at and is_ready_pod(pod) else ""


def _look_at(ports: Ports, case: Case, side: Side) -> ClusterFacts:
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
        documents_bucket=bucket_of(operator),
        operator_ready=any(is_ready_pod(pod) for pod in pods),
        storage_classes=tuple(name_of(item) for item in cluster.list(STORAGE_CLASS).items),
        node_labels=tuple(dict(labels_of(node)) for node in cluster.list(NODE).items),
        snapshot_urls=_url_count(cluster.find(CUSTOM_RESOURCE_DEFINITION, URL_CRD)),
        denied=denied(cluster, side, case.namespace, case.name),
        operator_digest=next(filter(None, map(_digest, pods)), ""),
        operator_settings=", ".join(
            f"{entry['name']}={entry.get('value', '')}"
            for entry in container.get("env") or ()
            if entry.get("name") in _SETTINGS
        ),
    )


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    inside = denied(ports.hosted, "hosted", case.namespace, case.name)
    return replace(look_from_outside(ports, case, memory), denied_inside=inside)


def look_from_outside(ports: Ports, case: Case, memory: Memory) -> Facts:
    """While the hosted API is away."""
    hosted_cluster = ports.source.get(HOSTED_CLUSTER, case.name, case.namespace)
    storage = dig(hosted_cluster, "spec", "etcd", "managed", "storage", "persistentVolume") or {}
    return Facts(
        clusters=(_look_at(ports, case, "source"), _look_at(ports, case, "destination")),
        etcd_storage_class=str(storage.get("storageClassName") or ""),
        node_selector=dict(dig(hosted_cluster, "spec", "nodeSelector") or {}),
        keeps_documents=keeps_oidc_documents(hosted_cluster),
        denied_inside=None,
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
    found.append(_check_permissions(side, cluster.denied))
    if side == "destination":
        found += _check_destination(cluster, facts)
    return found


def _check_permissions(side: Side, refused: tuple[str, ...]) -> Check:
    if not refused:
        return Check(f"permissions.{side}", "ok", "every verb the plan uses is allowed")
    return Check(
        f"permissions.{side}",
        "blocked",
        f"not allowed: {', '.join(refused)}",
        "the relocation would stop half-way",
        f"give the user of the {side} kubeconfig the roles that `hcp-dr rbac {side}` prints",
    )


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
    found.append(_check_build(facts))
    for cluster in facts.clusters:
        found += _check_cluster(cluster, facts)
    if facts.denied_inside is not None:
        found.append(_check_permissions("hosted", facts.denied_inside))
    found.append(_check_documents(facts))
    return tuple(found)


def _check_build(facts: Facts) -> Check:
    """The same image by digest, where both tell it, else by name; the same overrides and settings (rule A9)."""
    digests = [side.operator_digest for side in facts.clusters]
    builds = [
        (digest if all(digests) else side.operator_image, side.registry_overrides, side.operator_settings)
        for side, digest in zip(facts.clusters, digests, strict=True)
    ]
    told = [
        f"{build} with overrides {overrides or 'none'}{f' and {settings}' if settings else ''}"
        for build, overrides, settings in builds
    ]
    return bad_if(
        builds[0] != builds[1],
        "operator_build",
        f"{told[0]} on the source, {told[1]} on the destination" if builds[0] != builds[1] else f"{told[0]} on both",
        "another build or other overrides may compute another machine configuration, and roll every NodePool",
        "install the same HyperShift build on both, with the same registry overrides; or accept this: machines are let "
        "go only when the destination says that it would not roll them",
        acceptable=True,
    )


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
OUTSIDE = replace(STEP, observe=look_from_outside)
"""Of a hosted cluster that is fenced already."""
