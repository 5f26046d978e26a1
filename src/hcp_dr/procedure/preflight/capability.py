"""Can the two management clusters do this: are they two, do they speak the same versions, is this AWS and one region,
may the given credentials do what the plan will need, and is the hosted cluster in a state that can be carried?"""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.kube.port import Resource
from hcp_dr.kube.resources import (
    AWS_CLUSTER,
    AWS_MACHINE,
    AWS_MACHINE_TEMPLATE,
    CLUSTER,
    CONFIG_MAP,
    CUSTOM_RESOURCE_DEFINITION,
    DEPLOYMENT,
    HOSTED_CLUSTER,
    HOSTED_CONTROL_PLANE,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    NAMESPACE,
    NODE,
    NODE_POOL,
    POD,
    ROUTE,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    STORAGE_CLASS,
)
from hcp_dr.model import Case, Ports, Side
from hcp_dr.objects.reading import condition, dig, is_deleting, is_ready_pod, labels_of, name_of, selects
from hcp_dr.objects.release import ONE_CLUSTER_SINCE, control_plane_version, restores_one_cluster
from hcp_dr.objects.select import node_pools_of, of_infrastructure
from hcp_dr.procedure.preflight import verdict

URL_CRD = "hostedclusters.hypershift.openshift.io"
_CARRIED = (HOSTED_CLUSTER, CLUSTER, AWS_CLUSTER, ROUTE)  # one resource for each API group that is needed
_MACHINERY = (CLUSTER, AWS_CLUSTER, AWS_MACHINE_TEMPLATE, MACHINE_DEPLOYMENT, MACHINE_SET, MACHINE, AWS_MACHINE)
NEEDED: dict[Side, tuple[tuple[Resource, str | None, tuple[str, ...]], ...]] = {
    "source": (
        (HOSTED_CLUSTER, None, ("get", "patch", "delete")),
        (NODE_POOL, None, ("get", "list", "patch", "delete")),
        (HOSTED_CONTROL_PLANE, None, ("get", "patch", "delete")),
        *((resource, None, ("list", "patch", "delete")) for resource in _MACHINERY),
        (SECRET, None, ("list",)),
        (CONFIG_MAP, None, ("list",)),
        (DEPLOYMENT, None, ("list", "patch")),
        (STATEFUL_SET, None, ("list", "patch")),
        (POD, None, ("list", "delete")),
        (POD, "exec", ("create",)),
        (ROUTE, None, ("list", "delete")),
        (SERVICE, None, ("list", "patch")),
        (NAMESPACE, None, ("get", "delete")),
    ),
    "destination": (
        (HOSTED_CLUSTER, None, ("get", "create", "patch")),
        (NODE_POOL, None, ("list", "create", "patch")),
        (NODE_POOL, "status", ("patch",)),
        *((resource, None, ("list", "create", "patch")) for resource in _MACHINERY),
        (SECRET, None, ("list", "create")),
        (CONFIG_MAP, None, ("list", "create")),
        (DEPLOYMENT, None, ("list",)),
        (STATEFUL_SET, None, ("list",)),
        (POD, None, ("list", "delete")),
        (POD, "exec", ("create",)),
        (NAMESPACE, None, ("get", "create")),
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
    operator_ready: bool
    storage_classes: tuple[str, ...]
    node_labels: tuple[dict[str, str], ...]
    snapshot_urls: int  # how many the schema of restoreSnapshotURL takes; 0 where it has no such field
    denied: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    clusters: tuple[ClusterFacts, ...]
    platform: str
    region: str
    wanted_region: str
    etcd_managed: bool
    etcd_members: int
    hosted_version: str  # of the release that the control plane runs; "" where it is not known
    etcd_storage_class: str
    node_selector: dict[str, str]
    paused: tuple[str, ...]
    deleting: tuple[str, ...]
    replicas_asked: int
    machines: int
    nodes_not_ready: tuple[str, ...]
    on_destination: bool


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
    pods = [pod for pod in cluster.list(POD, "hypershift").items if selects(selector, pod)]
    return ClusterFacts(
        side=side,
        server=cluster.server,
        uid=str(dig(cluster.get(NAMESPACE, "kube-system"), "metadata", "uid")),
        missing_versions=tuple(r.api_version for r in _CARRIED if r.version not in cluster.versions(r.group)),
        operator_image=str((dig(operator, "spec", "template", "spec", "containers") or [{}])[0].get("image", "")),
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
    pools = node_pools_of(hosted_cluster, ports.source.list(NODE_POOL, case.namespace).items)
    machines = of_infrastructure(case.infra_id, ports.source.list(MACHINE, case.control_plane_namespace).items)
    objects = (hosted_cluster, *pools, *machines)
    storage = dig(hosted_cluster, "spec", "etcd", "managed", "storage", "persistentVolume") or {}
    return Facts(
        clusters=(_look_at(ports, "source"), _look_at(ports, "destination")),
        platform=str(dig(hosted_cluster, "spec", "platform", "type")),
        region=str(dig(hosted_cluster, "spec", "platform", "aws", "region")),
        wanted_region=case.aws_region,
        etcd_managed=dig(hosted_cluster, "spec", "etcd", "managementType") != "Unmanaged",
        etcd_members=1 if dig(hosted_cluster, "spec", "controllerAvailabilityPolicy") == "SingleReplica" else 3,
        hosted_version=control_plane_version(hosted_cluster),
        etcd_storage_class=str(storage.get("storageClassName") or ""),
        node_selector=dict(dig(hosted_cluster, "spec", "nodeSelector") or {}),
        paused=tuple(f"{o['kind']} {name_of(o)}" for o in objects[: 1 + len(pools)] if dig(o, "spec", "pausedUntil")),
        deleting=tuple(f"{o['kind']} {name_of(o)}" for o in objects if is_deleting(o)),
        replicas_asked=sum(int(dig(pool, "spec", "replicas") or 0) for pool in pools),
        machines=len(machines),
        nodes_not_ready=tuple(name_of(n) for n in ports.hosted.list(NODE).items if condition(n, "Ready") != "True"),
        on_destination=ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace) is not None,
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
    if source.operator_image != destination.operator_image:
        found.append(
            Check(
                "operator_build",
                "warning",
                f"{source.operator_image} on the source, {destination.operator_image} on the destination",
                "different builds may compute other machine templates and roll the NodePools",
                "install the same HyperShift build on both",
            )
        )
    for cluster in facts.clusters:
        found += _check_cluster(cluster, facts)
    found += _check_hosted(facts)
    return tuple(found)


def _blocked_if(bad: object, name: str, seen: str, why: str, todo: str) -> Check:
    return Check(name, "blocked", seen, why, todo) if bad else Check(name, "ok", seen)


def _check_hosted(facts: Facts) -> list[Check]:
    return [
        _blocked_if(
            facts.platform != "AWS",
            "platform",
            f"platform is {facts.platform}",
            "the procedure is for AWS",
            "none here",
        ),
        _blocked_if(
            facts.region != facts.wanted_region,
            "region",
            f"hosted cluster in {facts.region}, destination in {facts.wanted_region}",
            "instances and volumes do not leave their region",
            "choose a destination management cluster in the same region",
        ),
        _etcd(facts),
        _blocked_if(
            facts.deleting,
            "deletion",
            f"being deleted: {', '.join(facts.deleting) or 'nothing'}",
            "a restored deletion terminates instances",
            "let the deletion end first",
        ),
        _blocked_if(
            facts.paused,
            "paused_before",
            f"paused already: {', '.join(facts.paused) or 'nothing'}",
            "somebody else holds this cluster, perhaps a backup that runs now",
            "find out who paused it and lift the pause first",
        ),
        _blocked_if(
            facts.machines != facts.replicas_asked,
            "scaling",
            f"{facts.machines} machines for {facts.replicas_asked} asked",
            "a pool that is being scaled would be carried half-made",
            "wait until the NodePools have the replicas that they ask for",
        ),
        _blocked_if(
            facts.nodes_not_ready,
            "nodes_ready",
            f"not ready: {', '.join(facts.nodes_not_ready) or 'none'}",
            "what is broken before cannot be told from what the relocation broke",
            "bring the nodes back or remove them first",
        ),
        _blocked_if(
            facts.on_destination,
            "destination_free",
            "a HostedCluster of this name is on the destination" if facts.on_destination else "name is free there",
            "deleting it there could terminate the instances of the live one",
            "look whose it is; a relocation of yours that stopped goes on with `hcp-dr resume`",
        ),
    ]


def _etcd(facts: Facts) -> Check:
    """Several members are restored as one cluster only by a hosted release that is fixed (rule C4)."""
    if not facts.etcd_managed:
        return Check(
            "etcd_members",
            "blocked",
            "etcd is not managed by HyperShift (spec.etcd.managementType is Unmanaged)",
            "its data is where its owner keeps it, and no snapshot of it is restored with the control plane",
            "none here: such a hosted cluster is moved by pointing a new one at the same etcd",
        )
    if facts.etcd_members == 1:
        return Check("etcd_members", "ok", "etcd has 1 member")
    seen = f"etcd has {facts.etcd_members} members, the hosted release is {facts.hosted_version or 'not known'}"
    fixed = restores_one_cluster(facts.hosted_version)
    if fixed:
        return Check("etcd_members", "ok", seen)
    since = ".".join(str(part) for part in ONE_CLUSTER_SINCE)
    return Check(
        "etcd_members",
        "unknown" if fixed is None else "blocked",
        seen,
        f"before release {since} each member is restored as a cluster of its own, and the three take different writes",
        f"upgrade the hosted cluster to {since} or later first",
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.capability", documented="-", observe=observe, plan=plan)
