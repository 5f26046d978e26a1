"""Restoring while the source is lost: whether that may be, from which backup, and all that it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hcp_dr.engine.journal import Story
from hcp_dr.engine.peers import uid_of_cluster
from hcp_dr.engine.run import Run
from hcp_dr.engine.silence import Asked
from hcp_dr.engine.step import Check, Step
from hcp_dr.errors import JournalError, NoBackup, SameCluster, SourceAnswers, Unfinished
from hcp_dr.hypershift.identity import nonce_of
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import NAMESPACE
from hcp_dr.model import Case, Ports
from hcp_dr.procedure import RESTORE_LOST
from hcp_dr.upstream import KUBE_SYSTEM


def asked(ports: Ports, case: Case) -> tuple[Asked, ...]:
    """What must not answer: the source's API, and the hosted one, which would take writes there."""
    return (
        Asked(
            f"the API of management cluster {case.source} answers",
            lambda: ports.source.find(NAMESPACE, KUBE_SYSTEM),
            "Relocate, which loses nothing: `hcp-dr relocate`, or `hcp-dr resume` where one was begun. Where only its "
            "credentials fail, mend them; where something else answers in its place, take that away.",
        ),
        Asked(
            f"https://{case.api_hostname} answers, so that a control plane on {case.source} still takes writes",
            lambda: nonce_of(ports.hosted),
            f"Power the nodes of {case.source} off, or cut them from the network, so that its control plane is fenced; "
            "then run the command again.",
        ),
    )


def towards(case: Case, destination: Kubernetes) -> Case:
    """The case of a backup, on its way to the destination of today: since the backup was made, its cluster may have
    been made anew. Raises SameCluster, KubernetesError."""
    uid = uid_of_cluster(destination)
    if uid == case.source_uid:
        raise SameCluster(
            evidence=f"namespace {KUBE_SYSTEM} of MGMT2_KUBECONFIG's has uid {uid}, as that of the lost source"
        )
    return replace(case, destination_uid=uid)


def must_be_before(story: Story, folder: str) -> None:
    """The backup in the folder may be restored once. Raises NoBackup, Unfinished, JournalError."""
    if story.case is None or story.called_off:
        said = "its relocation was called off" if story.called_off else "it has no journal"
        raise NoBackup(object="this hosted cluster", folder=folder, reason=f"{folder} cannot be used, {said}")
    if story.command == RESTORE_LOST and not story.ended and is_lost(story.memory):
        raise Unfinished(folder=folder, path=folder, command=RESTORE_LOST, step=story.current or "?")
    if story.acted_in(POINT_OF_NO_RETURN):
        if not story.ended:
            raise JournalError(
                path=folder,
                reason="its point of no return is passed, so that the destination may hold writes",
                left="Nothing of the hosted cluster was changed by this command.",
                todo="Bring it to its end with `hcp-dr resume`: it goes on without a source that does not answer.",
            )
        raise NoBackup(object="this hosted cluster", folder=folder, reason=f"that in {folder} was restored already")


def carrying(prove: Callable[[], None]) -> Callable[[Run, Sequence[Step[Any]]], tuple[Check, ...]]:
    """A way through the steps on which the silence is proven once more before the point of no return."""

    def carry(run: Run, steps: Sequence[Step[Any]]) -> tuple[Check, ...]:
        place = next(place for place, step in enumerate(steps) if step.name == POINT_OF_NO_RETURN)
        checks = run.carry_out(steps[:place])
        if not run.journal.story.acted_in(POINT_OF_NO_RETURN):
            _prove_again(prove)
        return (*checks, *run.carry_out(steps[place:]))

    return carry


def _prove_again(prove: Callable[[], None]) -> None:
    try:
        prove()
    except SourceAnswers as error:
        raise SourceAnswers(
            why=error.values["why"],
            left="What was made on the destination stays there, paused: nothing takes writes there.",
            todo="`hcp-dr abort` takes it away again, gives the names back, and proves the source; then relocate. "
            "Where the source must not serve again, fence it by hand and run `hcp-dr resume`.",
        ) from error
