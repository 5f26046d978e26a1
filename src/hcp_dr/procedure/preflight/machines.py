"""Who else than the NodePools looks after the machines: a rollout that is put off, Karpenter, health checks, hands."""

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
    rollout_after: tuple[str, ...]  # MachineDeployments that roll at a time that is set
    auto_node: str  # what makes nodes beside the NodePools, "" where nothing does
    health_checks: tuple[str, ...]
    held: tuple[str, ...]  # machine objects that are paused already, with their kind


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
            f"MachineDeployments that roll at a set time: {', '.join(facts.rollout_after) or 'none'}",
            "the machines of a restored one are older than that time, so that it replaces them all (rule A6)",
            "take the time out of the MachineDeployment (spec.rollout.after) once its rollout has ended",
        ),
        bad_if(
            facts.auto_node,
            "machines.auto_node",
            f"nodes are also made by {facts.auto_node}" if facts.auto_node else "nodes are made by NodePools alone",
            "its instances are no AWSMachines: they are neither protected against termination nor counted, and its "
            "operator pays no heed to the pause and ends them when a HostedControlPlane is deleted",
            "drain its nodes and take spec.autoNode away first; or accept this when losing its instances is bearable",
            acceptable=True,
        ),
        Check("machines.health_checks", "ok", _health_checks(facts)),
        bad_if(
            facts.held,
            "machines.held",
            f"paused already: {some(facts.held) or 'none'}",
            "whoever paused them is not remembered by the destination: there they are let go with all others",
            "find out who holds them and why; pause them again afterwards if they must stay so",
            verdict="warning",
        ),
    )


def _health_checks(facts: Facts) -> str:
    if not facts.health_checks:
        return "no MachineHealthCheck"
    return f"MachineHealthChecks {some(facts.health_checks)} are held on the source before the API goes away (rule A12)"


def plan(facts: Facts) -> Decision:
    return verdict(checks(facts))


STEP = Step(name="preflight.machines", documented="-", observe=observe, plan=plan)
