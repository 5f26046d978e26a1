"""Is the hosted cluster of a kind and in a state that can be carried: AWS, one region, an etcd that can be restored,
and nothing that is on the move?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.checks import bad_if, verdict
from hcp_dr.hypershift.etcd import restorable
from hcp_dr.hypershift.etcd.restorable import Etcd
from hcp_dr.hypershift.machines.rollout import rolling
from hcp_dr.hypershift.pause_owner import describe_pause_owner
from hcp_dr.kube.port import Object
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
    etcd: Etcd  # whether it can be restored
    paused: tuple[str, ...]
    deleting: tuple[str, ...]
    replicas_asked: int
    machines: int
    without_node: tuple[str, ...]  # Machines that know of no node
    rolling: tuple[str, ...]  # NodePools that say that they are being updated
    nodes_not_ready: tuple[str, ...]
    on_destination: bool
    sharers: tuple[str, ...]  # other HostedClusters, on either side, whose control plane namespace has the same name
    upgrading: str = ""  # from which version to which; "" where no upgrade goes on


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source, own = ports.source, case.control_plane_namespace
    hosted_cluster, looked = restorable.probe_restore(source, case)
    pools = node_pools_of(hosted_cluster, source.list(NODE_POOL, case.namespace).items)
    machines = of_infrastructure(case.infra_id, source.list(MACHINE, own).items)
    groups = [item for kind in (MACHINE_DEPLOYMENT, MACHINE_SET) for item in source.list(kind, own).items]
    objects = (hosted_cluster, *pools, *machines)
    cluster = source.find(CLUSTER, case.infra_id, own)
    aws_machines = of_infrastructure(case.infra_id, source.list(AWS_MACHINE, own).items)
    plane = source.find(HOSTED_CONTROL_PLANE, case.name, own)
    going = (*objects, *groups, *aws_machines, *(item for item in (cluster, plane) if item is not None))
    return Facts(
        platform=str(dig(hosted_cluster, "spec", "platform", "type")),
        region=str(dig(hosted_cluster, "spec", "platform", "aws", "region")),
        wanted_region=case.aws_region,
        endpoint_access=str(dig(hosted_cluster, "spec", "platform", "aws", "endpointAccess") or "Public"),
        etcd=Etcd(hosted_cluster, looked),
        paused=tuple(
            f"{o['kind']} {name_of(o)}{describe_pause_owner(o)}"
            for o in (hosted_cluster, *pools)
            if dig(o, "spec", "pausedUntil")
        ),
        deleting=tuple(f"{o['kind']} {name_of(o)}" for o in going if is_deleting(o)),
        replicas_asked=sum(_replicas(pool, groups) for pool in pools),
        machines=len(machines),
        without_node=tuple(name_of(item) for item in machines if not dig(item, "status", "nodeRef", "name")),
        rolling=tuple(f"{name_of(pool)} ({kind})" for pool in pools for kind in rolling(pool)),
        nodes_not_ready=tuple(name_of(n) for n in ports.hosted.list(NODE).items if condition(n, "Ready") != "True"),
        on_destination=ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace) is not None,
        sharers=tuple(
            f"{namespace_of(item)}/{name_of(item)}"
            for cluster in (source, ports.destination)
            for item in cluster.list(HOSTED_CLUSTER).items
            if control_plane_namespace(namespace_of(item) or "", name_of(item)) == own
            and (namespace_of(item), name_of(item)) != (case.namespace, case.name)
        ),
        upgrading=upgrade(hosted_cluster),
    )


def _replicas(pool: Object, groups: Iterable[Object]) -> int:
    """How many machines a NodePool asks for; where it scales by itself, as many as what stands for it asks for now."""
    if dig(pool, "spec", "autoScaling") is None:
        return int(dig(pool, "spec", "replicas") or 0)
    return max(
        (int(dig(item, "spec", "replicas") or 0) for item in groups if name_of(item) == name_of(pool)), default=0
    )


def checks(facts: Facts) -> tuple[Check, ...]:
    return (*_kind(facts), *_state(facts), *_place(facts))


def _kind(facts: Facts) -> tuple[Check, ...]:
    """What it is, once and for all."""
    return (
        bad_if(
            facts.platform != "AWS",
            "platform",
            f"platform is {facts.platform}",
            "the procedure is for AWS",
            "none here",
        ),
        bad_if(
            facts.region != facts.wanted_region,
            "region",
            f"hosted cluster in {facts.region}, destination in {facts.wanted_region}",
            "instances and volumes do not leave their region",
            "choose a destination management cluster in the same region",
        ),
        _endpoint_access(facts),
        *facts.etcd.checks,
    )


def _state(facts: Facts) -> tuple[Check, ...]:
    """What it does at this moment."""
    return (
        bad_if(
            facts.deleting,
            "deletion",
            f"being deleted: {', '.join(facts.deleting) or 'nothing'}",
            "a restored deletion terminates instances",
            "let the deletion end first",
        ),
        bad_if(
            facts.paused,
            "paused_before",
            f"paused already: {', '.join(facts.paused) or 'nothing'}",
            "somebody else holds this cluster, perhaps a backup that runs now",
            "find out who paused it and lift the pause first; accept this when it is yours: the destination lifts it",
            acceptable=True,
        ),
        bad_if(
            facts.machines != facts.replicas_asked,
            "scaling",
            f"{facts.machines} machines for {facts.replicas_asked} asked",
            "a pool that is being scaled would be carried half-made",
            "wait until the NodePools have the replicas that they ask for",
        ),
        bad_if(
            facts.rolling,
            "rolling",
            f"being updated: {', '.join(facts.rolling) or 'no NodePool'}",
            "machines come and go meanwhile, and a pool that rolls when it is let go replaces the rest of them",
            "wait until the update has ended",
        ),
        bad_if(
            facts.upgrading,
            "upgrade",
            f"the control plane is being upgraded from {facts.upgrading}" if facts.upgrading else "no upgrade goes on",
            "what was half upgraded goes on there by another operator, with other content in etcd than it began with",
            "wait until it has ended",
        ),
        Check(
            "machines_with_node",
            "warning" if facts.without_node else "ok",
            f"Machines without a node: {some(facts.without_node) or 'none'}",
            "nobody can see whether they are well afterwards" if facts.without_node else "",
            "find out why they have none" if facts.without_node else "",
        ),
        bad_if(
            facts.nodes_not_ready,
            "nodes_ready",
            f"not ready: {', '.join(facts.nodes_not_ready) or 'none'}",
            "what is broken before cannot be told from what the relocation broke",
            "bring the nodes back or remove them first",
        ),
    )


def _place(facts: Facts) -> tuple[Check, ...]:
    """Whether its names are its own."""
    return (
        bad_if(
            facts.sharers,
            "namespace_alone",
            f"in the same control plane namespace: {', '.join(facts.sharers) or 'none'}",
            "what is in it could not be told apart, and would be carried and deleted with this one",
            "move the other one away first, or give it another name",
        ),
        bad_if(
            facts.on_destination,
            "destination_free",
            "a HostedCluster of this name is on the destination" if facts.on_destination else "name is free there",
            "deleting it there could terminate the instances of the live one",
            "look whose it is; a relocation of yours that stopped goes on with `hcp-dr resume`",
        ),
    )


def _endpoint_access(facts: Facts) -> Check:
    if facts.endpoint_access == "Public":
        return Check("endpoint_access", "ok", "Public")
    return Check(
        "endpoint_access",
        "warning",
        f"{facts.endpoint_access}: workers reach the API through a VPC endpoint",
        "the destination makes a new one, for minutes nobody gets through; and the source's VPC endpoint service "
        "is left, which keeps its load balancer",
        "be ready to delete the source's VPC endpoint service when `teardown.leftovers` names it",
    )


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.hosted_cluster", documented="-", observe=observe, plan=plan)
