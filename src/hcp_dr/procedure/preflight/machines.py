"""What else manages the machines besides the NodePools: a scheduled rollout, Karpenter, health checks, an engineer."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Check, Decision, Step
from hcp_dr.hypershift.checks import bad_if, verdict
from hcp_dr.hypershift.machines import paused_objects
from hcp_dr.kube.resources import HOSTED_CLUSTER, MACHINE_DEPLOYMENT, MACHINE_HEALTH_CHECK
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig, name_of, some
from hcp_dr.objects.select import of_infrastructure


@dataclass(frozen=True, slots=True)
class Facts:
    rollout_after: tuple[str, ...]  # MachineDeployments with a scheduled rollout
    auto_node: str  # provisioner of nodes besides the NodePools, "" without a provisioner
    health_checks: tuple[str, ...]
    held: tuple[str, ...]  # machine objects with a paused annotation already, with their kind


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    source, own = ports.source, case.control_plane_namespace
    hosted_cluster = source.get(HOSTED_CLUSTER, case.name, case.namespace)
    deployments = of_infrastructure(case.infra_id, source.list(MACHINE_DEPLOYMENT, own).items)
    auto_node = dig(hosted_cluster, "spec", "autoNode")
    return Facts(
        rollout_after=tuple(
            f"{name_of(item)} after {after}"
            for item in deployments
            if (after := dig(item, "spec", "rollout", "after") or dig(item, "spec", "rolloutAfter"))
        ),
        auto_node=str(dig(auto_node, "provisionerConfig", "name") or "AutoNode") if auto_node else "",
        health_checks=tuple(name_of(item) for item in source.list(MACHINE_HEALTH_CHECK, own).items),
        held=tuple(
            f"{item.resource.kind} {item.name}"
            for item in paused_objects.read_machine_objects(ports.source, case)
            if item.paused
        ),
    )


def checks(facts: Facts) -> tuple[Check, ...]:
    return (
        bad_if(
            facts.rollout_after,
            "machines.rollout_after",
            f"MachineDeployments with a scheduled rollout: {', '.join(facts.rollout_after) or 'none'}",
            "a restored MachineDeployment replaces all machines, because the machines are older than the scheduled "
            "time (rule A6)",
            "after the rollout, remove the time from the MachineDeployment (spec.rollout.after)",
        ),
        bad_if(
            facts.auto_node,
            "machines.auto_node",
            f"nodes are also created by {facts.auto_node}"
            if facts.auto_node
            else "nodes are created by NodePools alone",
            f"instances of {facts.auto_node} are not AWSMachines: hcp-dr neither protects nor counts these instances, "
            "and their operator ignores the pause and terminates the instances with a HostedControlPlane",
            f"drain the nodes of {facts.auto_node} and remove spec.autoNode first; or accept this check if the loss of "
            "these instances is acceptable",
            acceptable=True,
        ),
        Check("machines.health_checks", "ok", _describe_health_checks(facts)),
        bad_if(
            facts.held,
            "machines.held",
            f"paused already: {some(facts.held) or 'none'}",
            "the destination keeps no record of an earlier pause and un-pauses these objects with all others",
            "find out who paused these objects and why; if necessary, pause the objects again after the relocation",
            verdict="warning",
        ),
    )


def _describe_health_checks(facts: Facts) -> str:
    if not facts.health_checks:
        return "no MachineHealthCheck"
    return f"MachineHealthChecks {some(facts.health_checks)} are paused on the source before the fence (rule A12)"


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.machines", documented="-", observe=observe, plan=plan)
