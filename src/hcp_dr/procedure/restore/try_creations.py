"""Would the destination still create the objects that are restored behind the fence: HostedCluster, NodePools, token
Secrets? Asked by dry runs right before the fence, in the namespaces that exist by now.

In `hcp-dr backup` the namespaces may not exist, and only the fields are checked in them. A resume before the fence asks
again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.step import Decision, Done, Refuse, Step, Wait
from hcp_dr.hypershift import steps, timeouts
from hcp_dr.hypershift.trial import NOT_TRIED, Trial, try_restore
from hcp_dr.model import Case, Ports
from hcp_dr.objects.reading import some


@dataclass(frozen=True, slots=True)
class Facts:
    trial: Trial
    fenced: bool = False  # begun by the journal: each restore step finds a refusal by itself


def observe(ports: Ports, case: Case, memory: RunState) -> Facts:
    fenced = steps.BACKUP_FENCE in memory.acted
    return Facts(NOT_TRIED if fenced else try_restore(ports, case), fenced)


def plan(facts: Facts) -> Decision:
    if facts.fenced:
        return Done("the fence was begun already")
    refusal = facts.trial.refusal("The fence was not begun: the hosted API still serves, and the source is paused.")
    if refusal is not None:
        return Refuse(refusal)
    if facts.trial.unanswered:
        return Wait(
            "the destination answers a dry run of each object of the restore",
            some(facts.trial.unanswered, 3),
            timeouts.TRIALS_ANSWERED.seconds,
            todo="Start the webhook's service on the destination, or remove the webhook's configuration.",
        )
    return Done(facts.trial.describe())


def afterwards(facts: Facts, decision: Decision) -> Facts:
    return replace(facts, trial=replace(facts.trial, unanswered=()))


STEP = Step(
    name="restore.try_creations",
    documented="-",
    observe=observe,
    plan=plan,
    waits=(timeouts.TRIALS_ANSWERED,),
    afterwards=afterwards,
    proof=True,
)
