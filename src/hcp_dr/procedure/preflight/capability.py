"""Can the two management clusters do this? Checks the identity of both clusters, the served API versions, the
permissions of the given credentials, and the destination's equipment for the control plane."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.peers import Stranger, another_address, stranger_inside
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.errors import Forbidden
from hcp_dr.hypershift.access.permissions import denied
from hcp_dr.hypershift.checks import bad_if, verdict
from hcp_dr.hypershift.machines.operator_build import Build, build_of, compare, pods_of_operator
from hcp_dr.hypershift.oidc_documents import bucket_of
from hcp_dr.hypershift.operator_claim import OBJECT, Claim, read_claim, waiting_for
from hcp_dr.hypershift.private_platform import check_platform, is_private, platform_of
from hcp_dr.kube.port import Kubernetes, Resource
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
from hcp_dr.kube.stored import stored_version
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.reading import dig, is_ready_pod, labels_of, name_of
from hcp_dr.objects.scrub import keeps_oidc_documents
from hcp_dr.upstream import KUBE_SYSTEM, OPERATOR, OPERATOR_NAMESPACE

URL_CRD = "hostedclusters.hypershift.openshift.io"


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """One management cluster."""

    side: Side
    server: str
    uid: str  # of namespace kube-system: tells two clusters apart
    missing_versions: tuple[str, ...]
    build: Build  # of the HyperShift operator
    documents_bucket: str  # the operator's bucket for OIDC documents, "" if none is configured
    operator_ready: bool
    storage_classes: tuple[str, ...]
    node_labels: tuple[dict[str, str], ...]
    snapshot_urls: int  # maxItems of restoreSnapshotURL in the schema; 0 without such a field
    denied: tuple[str, ...]
    claim: Claim | None = None  # on the operator; None if these credentials may not read it
    private_platform: str = ""  # with which the operator runs


@dataclass(frozen=True, slots=True)
class Facts:
    clusters: tuple[ClusterFacts, ...]
    etcd_storage_class: str
    node_selector: dict[str, str]
    private: bool  # workers reach the API through a VPC endpoint
    keeps_documents: bool  # the OIDC documents are in the operator's bucket, made from the control plane's own key
    denied_inside: tuple[str, ...] | None = ()  # in the hosted cluster; None if not checked
    inside: Stranger | None = None  # another hosted cluster, reached by HC_KUBECONFIG
    address: Stranger | None = None  # HC_KUBECONFIG has another address than the API's fixed hostname


def _url_count(definition: dict[str, object] | None) -> int:
    for version in dig(definition, "spec", "versions") or ():
        field = dig(
            version,
            *("schema", "openAPIV3Schema", "properties", "spec", "properties", "etcd", "properties", "managed"),
            *("properties", "storage", "properties", "restoreSnapshotURL"),
        )
        if field is not None:
            limit = dig(field, "maxItems")
            return limit if isinstance(limit, int) else 100
    return 0


def _carried(source: Kubernetes) -> tuple[Resource, ...]:
    """One resource for each required API group. Machine objects are carried in the version that the source stores."""
    stored = stored_version(source, CLUSTER)
    return (HOSTED_CLUSTER, CLUSTER.at(stored) if stored else CLUSTER, AWS_CLUSTER, ROUTE)


def _read_cluster(ports: Ports, case: Case, side: Side, carried: Iterable[Resource]) -> ClusterFacts:
    cluster = ports.cluster(side)
    operator = cluster.find(DEPLOYMENT, OPERATOR, OPERATOR_NAMESPACE) or {}
    pods = pods_of_operator(cluster, operator)
    return ClusterFacts(
        side=side,
        server=cluster.server,
        uid=str(dig(cluster.get(NAMESPACE, KUBE_SYSTEM), "metadata", "uid")),
        missing_versions=tuple(r.api_version for r in carried if r.version not in cluster.versions(r.group)),
        build=build_of(operator, pods),
        documents_bucket=bucket_of(operator),
        operator_ready=any(is_ready_pod(pod) for pod in pods),
        storage_classes=tuple(name_of(item) for item in cluster.list(STORAGE_CLASS).items),
        node_labels=tuple(dict(labels_of(node)) for node in cluster.list(NODE).items),
        snapshot_urls=_url_count(cluster.find(CUSTOM_RESOURCE_DEFINITION, URL_CRD)),
        denied=denied(cluster, side, case.namespace, case.name),
        claim=_read_claim(ports, case, side),
        private_platform=platform_of(operator, pods),
    )


def _read_claim(ports: Ports, case: Case, side: Side) -> Claim | None:
    try:
        return read_claim(ports, case, side)
    except Forbidden:
        return None


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    inside = denied(ports.hosted, "hosted", case.namespace, case.name)
    other = stranger_inside(ports, case.cluster_id)
    address = another_address(ports, case)
    return replace(observe_from_outside(ports, case, memory), denied_inside=inside, inside=other, address=address)


def observe_from_outside(ports: Ports, case: Case, memory: RunState) -> Facts:
    """While the hosted API is unavailable."""
    hosted_cluster = ports.source.get(HOSTED_CLUSTER, case.name, case.namespace)
    storage = dig(hosted_cluster, "spec", "etcd", "managed", "storage", "persistentVolume") or {}
    carried = _carried(ports.source)
    return Facts(
        clusters=(
            _read_cluster(ports, case, "source", carried),
            _read_cluster(ports, case, "destination", carried),
        ),
        etcd_storage_class=str(storage.get("storageClassName") or ""),
        node_selector=dict(dig(hosted_cluster, "spec", "nodeSelector") or {}),
        private=is_private(hosted_cluster),
        keeps_documents=keeps_oidc_documents(hosted_cluster),
        denied_inside=None,
    )


def _check_cluster(cluster: ClusterFacts, facts: Facts) -> list[Check]:
    side = cluster.side
    results = []
    if cluster.missing_versions:
        results.append(
            Check(
                f"versions.{side}",
                "blocked",
                f"not served on the {side}: {', '.join(cluster.missing_versions)}",
                "objects are carried in the versions in which the source stores them",
                "relocate to a management cluster whose HyperShift release serves these API versions",
            )
        )
    else:
        results.append(Check(f"versions.{side}", "ok", "all API versions are served"))
    results.append(_check_permissions(side, cluster.denied))
    results.append(_check_claim(cluster))
    if facts.private:
        results.append(check_platform(side, cluster.private_platform))
    if side == "destination":
        results += _check_destination(cluster, facts)
    return results


def _check_permissions(side: Side, denied_verbs: tuple[str, ...]) -> Check:
    if not denied_verbs:
        return Check(f"permissions.{side}", "ok", "every verb the plan uses is allowed")
    return Check(
        f"permissions.{side}",
        "blocked",
        f"not allowed: {', '.join(denied_verbs)}",
        "the relocation would stop half-way",
        f"give the user of the {side} kubeconfig the roles that `hcp-dr rbac {side}` prints",
    )


def _check_claim(cluster: ClusterFacts) -> Check:
    """Never acceptable: a relocation cannot share the operator with these holders, or needs it running."""
    side, claim = cluster.side, cluster.claim
    name = f"operator_claim.{side}"
    if claim is None:
        todo = f"give the user of the {side} kubeconfig the roles that `hcp-dr rbac {side}` prints"
        return Check(name, "unknown", f"not checked: no permission to read {OBJECT}", "", todo)
    if claim.record is not None and claim.record.fault:
        seen = f"annotation {claim.record.fault} of {OBJECT} on the {side} has content that hcp-dr did not write"
        why = "the relocations that share the HyperShift operator are not known for certain"
        return Check(name, "blocked", seen, why, f"find out who wrote it, and remove it with {claim.remove_fault()}")
    in_the_way = claim.unshareable if side == "source" else claim.others
    if in_the_way:
        aborted = all(each.side == "destination" for each in in_the_way)
        acts = "is being aborted, and for some minutes keeps" if aborted else "keeps or will keep"
        why = (
            "a relocation of an older release, or of the same hosted cluster, does not share the operator"
            if side == "source"
            else "the operator has to build the control plane, and is stopped if this relocation is aborted"
        )
        seen = f"another relocation {acts} the HyperShift operator of the {side} stopped ({OBJECT}): "
        return Check(name, "blocked", seen + "; ".join(map(str, in_the_way)), why, waiting_for(side, in_the_way))
    if claim.others:
        shared = "; ".join(map(str, claim.others))
        return Check(name, "ok", f"the HyperShift operator of the {side} is shared with other relocations: {shared}")
    return Check(name, "ok", f"no other relocation is about to stop the HyperShift operator of the {side}")


def _check_destination(cluster: ClusterFacts, facts: Facts) -> list[Check]:
    results = []
    if not cluster.operator_ready:
        results.append(
            Check(
                "operator.destination",
                "blocked",
                "no pod of Deployment hypershift/operator on the destination is Ready",
                "only this operator builds the control plane",
                "start the HyperShift operator of the destination",
            )
        )
    else:
        results.append(Check("operator.destination", "ok", f"ready, {cluster.build.image}"))
    if cluster.snapshot_urls < 1:
        results.append(
            Check(
                "restore_url.destination",
                "blocked",
                "the HostedCluster schema of the destination has no restoreSnapshotURL",
                "etcd could not be restored",
                "install a HyperShift release with this field",
            )
        )
    if facts.etcd_storage_class and facts.etcd_storage_class not in cluster.storage_classes:
        results.append(
            Check(
                "storage_class.destination",
                "blocked",
                f"StorageClass {facts.etcd_storage_class} is missing; "
                f"the destination has {', '.join(cluster.storage_classes) or 'none'}",
                "etcd's volume would stay pending",
                "create the StorageClass on the destination",
            )
        )
    if facts.node_selector and not any(
        all(labels.get(key) == value for key, value in facts.node_selector.items()) for labels in cluster.node_labels
    ):
        results.append(
            Check(
                "node_selector.destination",
                "blocked",
                f"no node of the destination has {facts.node_selector}",
                "the control plane's pods would stay pending",
                "label nodes of the destination",
            )
        )
    return results


def checks(facts: Facts) -> tuple[Check, ...]:
    source, destination = facts.clusters
    results: list[Check] = []
    if source.uid == destination.uid:
        results.append(
            Check(
                "two_clusters",
                "blocked",
                f"both kubeconfigs reach the cluster with kube-system uid {source.uid}",
                "a hosted cluster cannot be relocated to its own management cluster",
                "point MGMT2_KUBECONFIG at the destination",
            )
        )
    else:
        results.append(Check("two_clusters", "ok", f"{source.server} and {destination.server}"))
    results.append(_check_build(facts))
    for cluster in facts.clusters:
        results += _check_cluster(cluster, facts)
    if facts.denied_inside is not None:
        results.append(_check_permissions("hosted", facts.denied_inside))
        results.append(
            bad_if(
                facts.inside,
                "hosted_identity",
                facts.inside.why if facts.inside else "HC_KUBECONFIG reaches this hosted cluster",
                "the relocation would mark another hosted cluster, restart its network pods, and never verify this "
                "hosted cluster",
                "point HC_KUBECONFIG at this hosted cluster, by the API's fixed hostname",
            )
        )
        results.append(
            bad_if(
                facts.address,
                "hosted_kubeconfig",
                facts.address.why if facts.address else "HC_KUBECONFIG has the API's fixed hostname",
                "the API moves with its fixed hostname: another address stays with the source, or proves nothing",
                "set the server of HC_KUBECONFIG to the API's fixed hostname, or use the admin kubeconfig of the "
                "HostedCluster",
            )
        )
    results.append(_check_documents(facts))
    return tuple(results)


def _check_build(facts: Facts) -> Check:
    same, comparison = compare(*(side.build for side in facts.clusters))
    return bad_if(
        not same,
        "operator_build",
        comparison,
        "another build or other overrides may compute another machine configuration, and roll every NodePool",
        "install the same HyperShift build with the same registry overrides on both sides; or accept this check: "
        "machines are un-paused only after the destination reports that no NodePool would roll",
        acceptable=True,
    )


def _check_documents(facts: Facts) -> Check:
    """The issuer's URL names the bucket of the source's operator (rule E3)."""
    source, destination = (side.documents_bucket or "(not configured)" for side in facts.clusters)
    if not facts.keeps_documents or source == destination:
        return Check("oidc_documents", "ok", "the OIDC documents stay in place")
    return Check(
        "oidc_documents",
        "blocked",
        f"the OIDC documents are in bucket {source}, the destination's operator uses bucket {destination}",
        f"the issuer's URL names {source}, and no operator would maintain the documents in this bucket",
        "configure the same bucket for both operators, or a separate serviceAccountSigningKey for the hosted cluster",
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


def _observe_cluster(side: Side) -> Callable[[Ports, Case, RunState], ClusterFacts]:
    def observe_cluster(ports: Ports, case: Case, memory: RunState) -> ClusterFacts:
        return _read_cluster(ports, case, side, _carried(ports.source) if side == "source" else ())

    return observe_cluster


def _plan_cluster(cluster: ClusterFacts) -> Decision:
    """What a cluster shows without the other. The source decides which versions the destination needs."""
    found = _check_cluster(cluster, Facts((cluster,), "", {}, private=False, keeps_documents=False))
    return verdict(check for check in found if check.name != "versions.destination")


def _observe_inside(ports: Ports, case: Case, memory: RunState) -> tuple[str, ...]:
    return denied(ports.hosted, "hosted", case.namespace, case.name)


def _plan_inside(denied_verbs: tuple[str, ...]) -> Decision:
    return verdict((_check_permissions("hosted", denied_verbs),))


_NAME = "preflight.capability"
_SIDES: tuple[Side, ...] = ("source", "destination")
STEP = Step(
    name=_NAME,
    documented="-",
    observe=observe,
    plan=plan,
    parts=(
        *(Step(_NAME, "-", _observe_cluster(side), _plan_cluster) for side in _SIDES),
        Step(_NAME, "-", _observe_inside, _plan_inside),
    ),
)
FROM_OUTSIDE = replace(STEP, observe=observe_from_outside)
"""For a hosted cluster behind a fence."""
