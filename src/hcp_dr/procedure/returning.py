"""Can the relocation still be called off (I7)? Decided by facts beside the journal, whoever made them so: once the
destination's operator may build the control plane, its API may accept writes."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.journal import Memory
from hcp_dr.engine.step import Decision, Done, Refuse, Step
from hcp_dr.errors import PastNoReturn
from hcp_dr.kube.resources import HOSTED_CLUSTER, HOSTED_CONTROL_PLANE
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig
from hcp_dr.procedure.restoring import is_ours

CREATES = "restore.hosted_cluster"
UNPAUSES = "restore.start_control_plane"


@dataclass(frozen=True, slots=True)
class Started:
    """Signs that the destination's control plane was ever started."""

    intended: bool  # the journal holds the intent of un-pausing the HostedCluster
    unpaused: bool  # the HostedCluster of this relocation is not paused there
    control_plane: bool  # there is a HostedControlPlane: the operator makes one of an un-paused HostedCluster only


def look_at(ports: Ports, case: Case, memory: Memory) -> Started:
    """Nothing is asked of the destination before this relocation has a HostedCluster there."""
    intended = UNPAUSES in memory.acted
    if CREATES not in memory.begun:
        return Started(intended, unpaused=False, control_plane=False)
    found = ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace)
    plane = ports.destination.find(HOSTED_CONTROL_PLANE, case.name, case.control_plane_namespace)
    ours = found is not None and is_ours(found, case.backup_id)
    unpaused = ours and dig(found, "spec", "pausedUntil") not in ("true", "True")
    return Started(intended, unpaused, plane is not None)


def plan(facts: Started) -> Decision:
    reasons = (
        (facts.intended, "the journal says that the destination's HostedCluster was to be un-paused"),
        (facts.unpaused, "the destination's HostedCluster is not paused"),
        (facts.control_plane, "there is a HostedControlPlane on the destination"),
    )
    why = next((why for holds, why in reasons if holds), None)
    return Done("the destination's control plane was never started") if why is None else Refuse(PastNoReturn(why=why))


CHECK = Step(name="abort", documented="-", observe=look_at, plan=plan)
"""Looked at before an abort begins; no step of the book."""
