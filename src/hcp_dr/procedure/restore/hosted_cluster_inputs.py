"""Restores the Secrets and ConfigMaps to which the HostedCluster and its NodePools refer. The namespace may be shared:
what is there with the same content is used, what is there with other content is somebody else's."""

from __future__ import annotations

from dataclasses import replace

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Decision, Do, Done, Refuse, Step
from hcp_dr.model import Case, Ports
from hcp_dr.procedure.restoring import DataFacts, existing, to_restore


def observe(ports: Ports, case: Case, memory: Memory) -> DataFacts:
    wanted = tuple(
        item
        for item in to_restore(ports, case)
        if item.entry.namespace == case.namespace and item.entry.kind in ("Secret", "ConfigMap")
    )
    return DataFacts(case.backup_id, wanted, existing(ports.destination, wanted))


def plan(facts: DataFacts) -> Decision:
    foreign = facts.foreign()
    if foreign is not None:
        return Refuse(foreign)
    actions = facts.missing()
    return Do(actions) if actions else Done(f"{len(facts.wanted)} inputs are there")


def afterwards(facts: DataFacts, decision: Decision) -> DataFacts:
    return replace(facts, found=facts.completed())


STEP = Step(
    name="restore.hosted_cluster_inputs", documented="8.6.3-3", observe=observe, plan=plan, afterwards=afterwards
)
