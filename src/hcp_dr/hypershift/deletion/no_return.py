"""Can the relocation still be aborted (I7)? Facts beside the journal decide, whatever their cause: once the
destination's operator may build the control plane, its API may accept writes.

A journal may be older than the last action: a disk was rolled back, a folder was copied, the bucket lost its mirror. So
the destination is always read, regardless of the journal, and so is the source's Lease, in which the important steps
were announced. A destination that does not answer must not keep the source down; but then the Lease must not have an
announcement of a HostedCluster there."""

from __future__ import annotations

from dataclasses import dataclass

from hcp_dr.engine.command_run import CONTINUE_LATER
from hcp_dr.engine.journal import FILE_NAME, RunState
from hcp_dr.engine.lease_status import read_lease_status
from hcp_dr.engine.step import Decision, Done, Refuse, Step
from hcp_dr.errors import JournalError, KubernetesError, PastNoReturn
from hcp_dr.hypershift.backup_objects import is_ours
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN, RESTORE_HOSTED_CLUSTER
from hcp_dr.kube.port import Object
from hcp_dr.kube.resources import HOSTED_CLUSTER, HOSTED_CONTROL_PLANE
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import dig


@dataclass(frozen=True, slots=True)
class Started:
    """Signs that the destination's control plane was ever started."""

    intended: bool  # the journal has the intent to un-pause the HostedCluster
    unpaused: bool  # the HostedCluster of this relocation is not paused there
    control_plane: bool  # there is a HostedControlPlane: the operator creates it only for an un-paused HostedCluster
    announced: str = ""  # the last step announced in the source's Lease
    created: bool = False  # this relocation has a HostedCluster there
    foreign: bool = False  # another relocation, or another client, has the HostedCluster there
    known: bool = True  # by the journal, there may be a HostedCluster there
    silence: str = ""  # why the destination did not answer, "" if it did
    journal: str = FILE_NAME  # for messages

    @property
    def announced_in_lease(self) -> bool:
        """If the destination answers, its objects tell more: without a HostedCluster nothing serves there, and an
        announced HostedCluster that is paused was never un-paused."""
        return self.announced == POINT_OF_NO_RETURN and bool(self.silence)


def read_started(ports: Ports, case: Case, memory: RunState) -> Started:
    known, lost = RESTORE_HOSTED_CLUSTER in memory.begun, is_lost(memory)
    announced = "" if lost else _announced(ports, case, needed=False)
    hosted_cluster: Object | None = None
    control_plane: Object | None = None
    silence = ""
    try:
        hosted_cluster = ports.destination.find(HOSTED_CLUSTER, case.name, case.namespace)
        control_plane = ports.destination.find(HOSTED_CONTROL_PLANE, case.name, case.control_plane_namespace)
    except KubernetesError as error:
        if known or lost or not error.passing:
            raise
        announced, silence = _announced(ports, case, needed=True), error.what
    ours = hosted_cluster is not None and is_ours(hosted_cluster, case.backup_id)
    return Started(
        intended=POINT_OF_NO_RETURN in memory.acted,
        unpaused=ours and dig(hosted_cluster, "spec", "pausedUntil") not in ("true", "True"),
        control_plane=control_plane is not None,
        announced=announced,
        created=ours,
        foreign=hosted_cluster is not None and not ours,
        known=known,
        silence=silence,
        journal=f"{ports.archive.folder}/{FILE_NAME}",
    )


def _announced(ports: Ports, case: Case, *, needed: bool) -> str:
    """The announced step of this relocation in the source's Lease. If not `needed`, "" while the source is down."""
    try:
        lease = read_lease_status(ports.source, case.namespace, case.name)
    except KubernetesError as error:
        if needed or not error.passing:
            raise
        return ""
    return lease.reached if lease is not None and lease.relocation == case.backup_id else ""


def plan(facts: Started) -> Decision:
    if facts.control_plane and facts.foreign:
        return Refuse(
            PastNoReturn(
                why="the HostedCluster that is started on the destination was not created by this relocation",
                left="Nothing of the hosted cluster was changed by this command.",
                todo=CONTINUE_LATER,
            )
        )
    reasons = (
        (facts.intended, "the journal has the intent to un-pause the destination's HostedCluster"),
        (facts.unpaused, "the destination's HostedCluster is not paused"),
        (facts.control_plane, "there is a HostedControlPlane on the destination"),
        (
            facts.announced_in_lease,
            "the Lease on the source announces the un-pausing of the destination's HostedCluster",
        ),
    )
    why = next((why for holds, why in reasons if holds), None)
    if why is not None:
        return Refuse(PastNoReturn(why=why))
    if not facts.known and (facts.created or facts.announced):
        return Refuse(_outdated_journal(facts))
    return Done("the destination's control plane was never started")


def _outdated_journal(facts: Started) -> JournalError:
    evidence = "the destination has a HostedCluster of this relocation"
    if not facts.created:
        evidence = f"the Lease on the source announces {facts.announced}"
    unread = f", and the destination was not read ({facts.silence.rstrip('.')})" if facts.silence else ""
    return JournalError(
        path=facts.journal,
        reason=f"{evidence}, but the journal has no record of that{unread}: it is older than the last action",
        left="Nothing of the hosted cluster was changed by this command; the source stays as it is.",
        todo="Copy the newest folder of this relocation here (from the last machine at work, or an undamaged copy), "
        "pass it with --backup, and run `hcp-dr abort` with it; or continue with `hcp-dr resume`.",
    )


CHECK = Step(name="abort", documented="-", observe=read_started, plan=plan)
"""Checked before an abort begins; not a step of the procedure."""
