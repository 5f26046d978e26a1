"""Is all on the destination where it belongs: HostedCluster available, NodePools, control plane pods, machines?"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Decision, Done, Step, Topic, Wait
from hcp_dr.kube.resources import DEPLOYMENT, HOSTED_CLUSTER, MACHINE, NODE_POOL, STATEFUL_SET
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import condition, dig, name_of
from hcp_dr.objects.select import node_pools_of, of_infrastructure

LIMIT = 900.0


@dataclass(frozen=True, slots=True)
class Facts:
    namespace: str
    available: str | None  # of the HostedCluster
    trusted: str | None  # does AWS take its service accounts' tokens, which it knows by the OIDC documents (rule E3)?
    node_pools: tuple[str, ...]
    node_pools_wanted: tuple[str, ...]
    machines: int
    not_ready: tuple[str, ...]  # Deployments and StatefulSets of the control plane namespace


def observe(ports: Ports, case: Case, memory: Memory) -> Facts:
    destination, namespace = ports.destination, case.control_plane_namespace
    hosted_cluster = destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    pools = destination.list(NODE_POOL, case.namespace).items
    workloads = [item for kind in (DEPLOYMENT, STATEFUL_SET) for item in destination.list(kind, namespace).items]
    return Facts(
        namespace=case.namespace,
        available=condition(hosted_cluster, "Available") if hosted_cluster else None,
        trusted=condition(hosted_cluster, "ValidAWSIdentityProvider") if hosted_cluster else None,
        node_pools=tuple(sorted(name_of(p) for p in node_pools_of({"metadata": {"name": case.name}}, pools))),
        node_pools_wanted=tuple(sorted(case.node_pools)),
        machines=len(of_infrastructure(case.infra_id, destination.list(MACHINE, namespace).items)),
        not_ready=tuple(
            f"{item['kind']} {name_of(item)}"
            for item in workloads
            if int(dig(item, "status", "readyReplicas") or 0) < int(dig(item, "spec", "replicas") or 0)
        ),
    )


def plan(facts: Facts) -> Decision:
    missing = sorted(set(facts.node_pools_wanted) - set(facts.node_pools))
    seen = []
    if facts.available != "True":
        seen.append(f"HostedCluster Available is {facts.available}")
    if facts.trusted == "False":
        seen.append("ValidAWSIdentityProvider is False: the OIDC documents are not those of its signing key")
    if missing:
        seen.append(f"NodePools missing: {', '.join(missing)}")
    if facts.not_ready:
        seen.append(f"not ready: {', '.join(facts.not_ready)}")
    if seen:
        wake = Topic("destination", HOSTED_CLUSTER, facts.namespace)
        return Wait("the destination holds the whole hosted cluster", "; ".join(seen), LIMIT, wake)
    return Done(
        f"available, {len(facts.node_pools)} NodePools, {facts.machines} machines, all control plane pods ready"
    )


def foresee(facts: Facts) -> Facts:
    return replace(facts, available="True", trusted="True", node_pools=facts.node_pools_wanted, not_ready=())


STEP = Step(
    name="verify.placement", documented="8.6.4 validation", observe=observe, plan=plan, foresee=foresee, proof=True
)
