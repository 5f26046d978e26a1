"""Can this kind of hosted cluster be relocated in its present state? Required: AWS, one region, a restorable etcd, and
no deletion, scaling, rollout or upgrade in progress."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.checks import bad_if, verdict
from hcp_dr.hypershift.dns.custom_name import CustomName, check_custom_name, read_custom_name
from hcp_dr.hypershift.etcd import restorable
from hcp_dr.hypershift.etcd.alarms import check_alarms, read_alarms
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.machines.rollout import rolling
from hcp_dr.hypershift.pause_owner import describe_pause_owner
from hcp_dr.hypershift.private_platform import endpoint_access
from hcp_dr.kube.port import Kubernetes, Object
from hcp_dr.kube.resources import (
    AWS_MACHINE,
    CLUSTER,
    HOSTED_CLUSTER,
    HOSTED_CONTROL_PLANE,
    MACHINE,
    MACHINE_DEPLOYMENT,
    MACHINE_SET,
    NODE,
    NODE_POOL,
)
from hcp_dr.model import Case, Ports
from hcp_dr.objects.naming import control_plane_namespace
from hcp_dr.objects.reading import condition, dig, is_deleting, name_of, namespace_of, some
from hcp_dr.objects.release import upgrade
from hcp_dr.objects.select import node_pools_of, of_infrastructure


@dataclass(frozen=True, slots=True)
class Facts:
    platform: str
    region: str
    wanted_region: str
    endpoint_access: str  # Public, PublicAndPrivate or Private
    etcd: Etcd  # whether etcd can be restored
    paused: tuple[str, ...]
    deleting: tuple[str, ...]
    replicas_asked: int
    machines: int
    without_node: tuple[str, ...]  # Machines without a nodeRef
    rolling: tuple[str, ...]  # NodePools with a condition of an update in progress
    nodes_not_ready: tuple[str, ...]
    on_destination: bool
    sharers: tuple[str, ...]  # other HostedClusters, on either side, with the same control plane namespace
    own: str = ""  # the control plane namespace
    alarms: tuple[str, ...] = ()  # of etcd
    custom: CustomName | None = None  # of the API, in the spec
    upgrading: str = ""  # "FROM to TO"; "" without an upgrade in progress


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    inside = (n for n in ports.hosted.list(NODE).items if condition(n, "Ready") != "True")
    there = ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    facts = observe_source(ports, case, memory)
    return replace(
        facts,
        custom=read_custom_name(ports, case, facts.etcd.hosted_cluster),
        nodes_not_ready=tuple(name_of(node) for node in inside),
        on_destination=there is not None,
        sharers=(*_find_sharers(ports.source, case), *_find_sharers(ports.destination, case)),
    )


def _find_sharers(cluster: Kubernetes, case: Case) -> Iterator[str]:
    for item in cluster.list(HOSTED_CLUSTER).items:
        same = control_plane_namespace(namespace_of(item) or "", name_of(item)) == case.control_plane_namespace
        if same and (namespace_of(item), name_of(item)) != (case.namespace, case.name):
            yield f"{namespace_of(item)}/{name_of(item)}"


def observe_source(ports: Ports, case: Case, memory: RunState) -> Facts:
    """What the source alone shows."""
    source, own = ports.source, case.control_plane_namespace
    hosted_cluster, probe = restorable.probe_restore(source, case)
    pools = node_pools_of(hosted_cluster, source.list(NODE_POOL, case.namespace).items)
    machines = of_infrastructure(case.infra_id, source.list(MACHINE, own).items)
    groups = [item for kind in (MACHINE_DEPLOYMENT, MACHINE_SET) for item in source.list(kind, own).items]
    objects = (hosted_cluster, *pools, *machines)
    cluster = source.find(CLUSTER, case.infra_id, own)
    aws_machines = of_infrastructure(case.infra_id, source.list(AWS_MACHINE, own).items)
    plane = source.find(HOSTED_CONTROL_PLANE, case.name, own)
    deletable = (*objects, *groups, *aws_machines, *(item for item in (cluster, plane) if item is not None))
    return Facts(
        platform=str(dig(hosted_cluster, "spec", "platform", "type")),
        region=str(dig(hosted_cluster, "spec", "platform", "aws", "region")),
        wanted_region=case.aws_region,
        endpoint_access=endpoint_access(hosted_cluster),
        etcd=Etcd(hosted_cluster, probe),
        paused=tuple(
            f"{o['kind']} {name_of(o)}{describe_pause_owner(o)}"
            for o in (hosted_cluster, *pools)
            if dig(o, "spec", "pausedUntil")
        ),
        deleting=tuple(f"{o['kind']} {name_of(o)}" for o in deletable if is_deleting(o)),
        replicas_asked=sum(_replicas(pool, groups) for pool in pools),
        machines=len(machines),
        without_node=tuple(name_of(item) for item in machines if not dig(item, "status", "nodeRef", "name")),
        rolling=tuple(f"{name_of(pool)} ({kind})" for pool in pools for kind in rolling(pool)),
        nodes_not_ready=(),
        on_destination=False,
        sharers=(),
        own=own,
        alarms=read_alarms(source, case),
        upgrading=upgrade(hosted_cluster),
    )


def _replicas(pool: Object, groups: Iterable[Object]) -> int:
    """The number of machines that a NodePool asks for; with autoscaling, the present replicas of the MachineDeployment
    or MachineSet behind the NodePool."""
    if dig(pool, "spec", "autoScaling") is None:
        return int(dig(pool, "spec", "replicas") or 0)
    return max(
        (int(dig(item, "spec", "replicas") or 0) for item in groups if name_of(item) == name_of(pool)), default=0
    )


def checks(facts: Facts) -> tuple[Check, ...]:
    return (*_check_kind(facts), *_check_state(facts), *_check_names(facts))


def _check_kind(facts: Facts) -> tuple[Check, ...]:
    """The hosted cluster's permanent properties."""
    return (
        bad_if(
            facts.platform != "AWS",
            "platform",
            f"platform is {facts.platform}",
            "only AWS hosted clusters can be relocated",
            "not supported: use another procedure for this platform",
        ),
        bad_if(
            facts.region != facts.wanted_region,
            "region",
            f"hosted cluster in {facts.region}, destination in {facts.wanted_region}",
            "instances and volumes cannot leave the region",
            "choose a destination management cluster in the same region",
        ),
        _check_endpoint_access(facts),
        *facts.etcd.checks,
        *(check_custom_name(facts.custom) if facts.custom else ()),
    )


def _check_state(facts: Facts) -> tuple[Check, ...]:
    """The hosted cluster's present activity."""
    return (
        bad_if(
            facts.deleting,
            "deletion",
            f"being deleted: {', '.join(facts.deleting) or 'nothing'}",
            "a restored deletion terminates instances",
            "wait until the deletion has ended",
        ),
        bad_if(
            facts.paused,
            "paused_before",
            f"paused already: {', '.join(facts.paused) or 'nothing'}",
            "another client has paused this cluster, perhaps a running backup",
            "find the client and lift the pause first; accept this check if the pause is yours: the destination lifts "
            "the pause",
            acceptable=True,
        ),
        bad_if(
            facts.machines != facts.replicas_asked,
            "scaling",
            f"{facts.machines} machines for {facts.replicas_asked} desired replicas",
            "a NodePool in the middle of scaling would be carried incomplete",
            "wait until the NodePools have the desired replicas",
        ),
        *check_alarms(facts.alarms, facts.own),
        bad_if(
            facts.rolling,
            "rolling",
            f"being updated: {', '.join(facts.rolling) or 'no NodePool'}",
            "machines come and go during an update, and an un-paused NodePool would continue to replace machines",
            "wait until the update has ended",
        ),
        bad_if(
            facts.upgrading,
            "upgrade",
            f"the control plane is being upgraded from {facts.upgrading}"
            if facts.upgrading
            else "no upgrade is in progress",
            "the destination's operator would continue a half-finished upgrade, with other content in etcd than at the "
            "start",
            "wait until the upgrade has ended",
        ),
        Check(
            "machines_with_node",
            "warning" if facts.without_node else "ok",
            f"Machines without a node: {some(facts.without_node) or 'none'}",
            "hcp-dr cannot verify these Machines after the relocation" if facts.without_node else "",
            "find out why the Machines have no node" if facts.without_node else "",
        ),
        bad_if(
            facts.nodes_not_ready,
            "nodes_ready",
            f"not ready: {', '.join(facts.nodes_not_ready) or 'none'}",
            "hcp-dr does not verify these nodes after the relocation",
            "repair or remove the nodes first; or accept this check if they may stay as they are",
            acceptable=True,
        ),
    )


def _check_names(facts: Facts) -> tuple[Check, ...]:
    """Whether the names belong to this hosted cluster alone."""
    return (
        bad_if(
            facts.sharers,
            "namespace_alone",
            f"in the same control plane namespace: {', '.join(facts.sharers) or 'none'}",
            "the objects of both hosted clusters cannot be distinguished, and would be carried and deleted together",
            "move the other hosted cluster away first, or rename the other hosted cluster",
        ),
        bad_if(
            facts.on_destination,
            "destination_free",
            "a HostedCluster of this name is on the destination"
            if facts.on_destination
            else "the name is free on the destination",
            "deleting this HostedCluster could terminate the instances of the live hosted cluster",
            "find the owner; to continue a stopped relocation, run `hcp-dr resume`",
        ),
    )


def _check_endpoint_access(facts: Facts) -> Check:
    if facts.endpoint_access == "Public":
        return Check("endpoint_access", "ok", "Public")
    return Check(
        "endpoint_access",
        "warning",
        f"{facts.endpoint_access}: workers reach the API through a VPC endpoint",
        "the destination creates a new VPC endpoint, and the API is unreachable for a few minutes; the source's VPC "
        "endpoint service stays behind and keeps its load balancer",
        "delete the source's VPC endpoint service when `teardown.leftovers` reports the service",
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


def _plan_source(facts: Facts) -> Decision:
    state = (check for check in _check_state(facts) if check.name != "nodes_ready")
    return verdict((*_check_kind(facts), *state))


_NAME = "preflight.hosted_cluster"
STEP = Step(
    name=_NAME,
    documented="-",
    observe=observe,
    plan=plan,
    parts=(Step(_NAME, "-", observe_source, _plan_source),),
)
