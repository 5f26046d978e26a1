"""Can the two management clusters do this: are they two, do they speak the same versions, may the given credentials do
what the plan will need, and has the destination what the control plane asks for?"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.peers import Stranger, stranger_inside
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.errors import Forbidden
from hcp_dr.hypershift.access.permissions import denied
from hcp_dr.hypershift.checks import bad_if, verdict
from hcp_dr.hypershift.machines.operator_build import Build, build_of, compare, pods_of_operator
from hcp_dr.hypershift.oidc_documents import bucket_of
from hcp_dr.hypershift.operator_claim import OBJECT, Holder, holder_on, waiting_for
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import (
    AWS_CLUSTER,
    CLUSTER,
    CUSTOM_RESOURCE_DEFINITION,
    DEPLOYMENT,
    HOSTED_CLUSTER,
    NAMESPACE,
    NODE,
    ROUTE,
    STORAGE_CLASS,
)
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.reading import dig, is_ready_pod, labels_of, name_of
from hcp_dr.objects.scrub import keeps_oidc_documents
from hcp_dr.upstream import KUBE_SYSTEM, OPERATOR, OPERATOR_NAMESPACE

URL_CRD = "hostedclusters.hypershift.openshift.io"
_CARRIED = (HOSTED_CLUSTER, CLUSTER, AWS_CLUSTER, ROUTE)  # one resource for each API group that is needed


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """One management cluster."""

    side: Side
    server: str
    uid: str  # of namespace kube-system: tells two clusters apart
    missing_versions: tuple[str, ...]
    build: Build  # of the HyperShift operator
    documents_bucket: str  # where the operator keeps OIDC documents, "" where it was not told
    operator_ready: bool
    storage_classes: tuple[str, ...]
    node_labels: tuple[dict[str, str], ...]
    snapshot_urls: int  # how many the schema of restoreSnapshotURL takes; 0 where it has no such field
    denied: tuple[str, ...]
    claimed_by: Holder | None = None  # its operator, by another relocation
    claim_seen: bool = True  # whether these credentials may look at that


@dataclass(frozen=True, slots=True)
class Facts:
    clusters: tuple[ClusterFacts, ...]
    etcd_storage_class: str
    node_selector: dict[str, str]
    keeps_documents: bool  # its OIDC documents are in the operator's bucket, made from the control plane's own key
    denied_inside: tuple[str, ...] | None = ()  # in the hosted cluster; None where it is not asked
    inside: Stranger | None = None  # another hosted cluster, to which HC_KUBECONFIG leads


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


def _look_at(ports: Ports, case: Case, side: Side) -> ClusterFacts:
    cluster = ports.cluster(side)
    operator = cluster.find(DEPLOYMENT, OPERATOR, OPERATOR_NAMESPACE) or {}
    pods = pods_of_operator(cluster, operator)
    claimed_by, claim_seen = _claim_on(cluster)
    return ClusterFacts(
        side=side,
        server=cluster.server,
        uid=str(dig(cluster.get(NAMESPACE, KUBE_SYSTEM), "metadata", "uid")),
        missing_versions=tuple(r.api_version for r in _CARRIED if r.version not in cluster.versions(r.group)),
        build=build_of(operator, pods),
        documents_bucket=bucket_of(operator),
        operator_ready=any(is_ready_pod(pod) for pod in pods),
        storage_classes=tuple(name_of(item) for item in cluster.list(STORAGE_CLASS).items),
        node_labels=tuple(dict(labels_of(node)) for node in cluster.list(NODE).items),
        snapshot_urls=_url_count(cluster.find(CUSTOM_RESOURCE_DEFINITION, URL_CRD)),
        denied=denied(cluster, side, case.namespace, case.name),
        claimed_by=claimed_by,
        claim_seen=claim_seen,
    )


def _claim_on(cluster: Kubernetes) -> tuple[Holder | None, bool]:
    try:
        return holder_on(cluster), True
    except Forbidden:
        return None, False


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    inside = denied(ports.hosted, "hosted", case.namespace, case.name)
    other = stranger_inside(ports, case.cluster_id)
    return replace(look_from_outside(ports, case, memory), denied_inside=inside, inside=other)


def look_from_outside(ports: Ports, case: Case, memory: RunState) -> Facts:
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
    found.append(_check_claim(cluster))
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


def _check_claim(cluster: ClusterFacts) -> Check:
    """Nobody may accept this: of two that stop one operator, one brings it back while the other deletes."""
    side, holder = cluster.side, cluster.claimed_by
    if not cluster.claim_seen:
        todo = f"give the user of the {side} kubeconfig the roles that `hcp-dr rbac {side}` prints"
        return Check(f"operator_claim.{side}", "unknown", f"not looked at: {OBJECT} may not be read", "", todo)
    if holder is None:
        return Check(
            f"operator_claim.{side}", "ok", "no other relocation is about to stop the HyperShift operator there"
        )
    acts = "has or will have" if holder.is_source else "is being called off, and for some minutes has"
    uses = (
        "this relocation stops it too, and one would bring it back in the middle of the other's deletions"
        if side == "source"
        else "it is to build the control plane there, and to be stopped if this relocation is called off"
    )
    return Check(
        f"operator_claim.{side}",
        "blocked",
        f"another relocation {acts} the HyperShift operator of the {side} stopped ({OBJECT}): {holder}",
        uses,
        waiting_for(side),
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
        found.append(Check("operator.destination", "ok", f"ready, {cluster.build.image}"))
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
        found.append(
            bad_if(
                facts.inside,
                "hosted_identity",
                facts.inside.why if facts.inside else "HC_KUBECONFIG leads to this hosted cluster",
                "another hosted cluster would be marked and its network pods restarted, and this one never proven",
                "let HC_KUBECONFIG lead to this hosted cluster, by its API's fixed name",
            )
        )
    found.append(_check_documents(facts))
    return tuple(found)


def _check_build(facts: Facts) -> Check:
    same, told = compare(*(side.build for side in facts.clusters))
    return bad_if(
        not same,
        "operator_build",
        told,
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
