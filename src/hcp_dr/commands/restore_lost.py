"""Restores the last verified backup while the source does not answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

from hcp_dr.commands.backups_to_restore import advised, check_restorable, list_newest_first
from hcp_dr.commands.begin import journal_checks
from hcp_dr.commands.begun import check_none_started
from hcp_dr.commands.context import Confirmation, Context, Folder, Outcome, Requested
from hcp_dr.commands.journaled_case import check_fits, check_usable
from hcp_dr.commands.left_as_was import NOT_BY_THIS_COMMAND, nothing_begun
from hcp_dr.engine.bucket_lease import BucketLease
from hcp_dr.engine.journal import JournalState, RunState, keep
from hcp_dr.engine.lease import Lease
from hcp_dr.engine.liveness import LivenessProbe, check_unreachable
from hcp_dr.engine.peers import uid_of_cluster
from hcp_dr.engine.run import Run
from hcp_dr.engine.step import Check, Step
from hcp_dr.engine.wait import StopRequested
from hcp_dr.errors import (
    RESUME,
    ArchiveError,
    NoBackup,
    NotRestorable,
    SameCluster,
    SettingsError,
    SourceAnswers,
)
from hcp_dr.hypershift import source_loss
from hcp_dr.hypershift.backup_objects import to_restore
from hcp_dr.hypershift.fields import find_unknown, warn_unknown
from hcp_dr.hypershift.identity import nonce_of
from hcp_dr.hypershift.state import SOURCE_LOST, SourceLost
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import NAMESPACE
from hcp_dr.model import Case, Ports
from hcp_dr.objects.archive import Manifest
from hcp_dr.procedure import RESTORE_LOST, working_steps
from hcp_dr.procedure.resume.refill import STEP as REFILL
from hcp_dr.upstream import KUBE_SYSTEM


@advised
def restore_lost(context: Context, *, reason: str) -> Outcome:
    """Restores the backup that the caller named, or else the newest one known here. The confirmation shows the lost
    data, and the nodes to fence by hand, before any change. Raises HcpDrError, StopRequested."""
    with nothing_begun():
        if not reason.strip():
            raise SettingsError(what="--source-lost needs a --reason.", todo='Say why: --reason "...".')
        context.choose(context.backups.online_folder())
        case, manifest = _choose(context)
        check_none_started(context, case.backup_id)
        with context.while_working():
            _make_proof(context, context.ports, case)()
        lost = _describe_loss(context, manifest, reason=reason.strip(), who=context.who)
        checks = _checks(context, case, lost)
        where = f"is restored on {case.destination} from {context.folder.folder}"
        what = f"Hosted cluster {case.namespace}/{case.name} {where}: {checks[0].seen}."
        context.confirm(Confirmation(case.name, what, checks))
    outcome = _carry_out(context, case, lost, resumed=False)
    assert outcome is not None  # noqa: S101 - only a resumed run may turn out to be another machine's
    return outcome


def foresee(context: Context) -> tuple[Case, RunState]:
    """The relocation that would be restored, with its backup folder chosen, and the state of its journal. Raises
    NoBackup, NotRestorable, SettingsError."""
    context.choose(context.backups.online_folder())
    case, manifest = _choose(context)
    lost = _describe_loss(context, manifest, reason="foreseen", who=context.process.who)
    return case, replace(context.story.memory.with_remembered(SOURCE_LOST.remember(lost)), done=frozenset())


def _describe_loss(context: Context, manifest: Manifest, *, reason: str, who: str) -> SourceLost:
    lost_at = source_loss.moment_of(manifest, context.story.memory)
    return SourceLost(reason=reason, who=who, at=lost_at, began=context.ports.now())


def resume_lost(context: Context, case: Case) -> Outcome | None:
    """Resume a `restore_lost`. Before the point of no return the source must still be unreachable. If another machine
    continued with another command, only its journal is taken, and the result is None."""
    story = context.story
    if not story.acted_in(POINT_OF_NO_RETURN):
        with nothing_begun(NOT_BY_THIS_COMMAND), context.while_working():
            _make_proof(context, context.ports, case)()
    return _carry_out(context, case, story.memory.get(SOURCE_LOST), resumed=True)


def _carry_out(context: Context, case: Case, lost: SourceLost | None, *, resumed: bool) -> Outcome | None:
    ports = context.ports
    context.ports = replace(ports, source=source_loss.lost_source())
    lease = context.lease(case, BucketLease(ports.bucket, case.namespace, case.name))
    with context.while_working(), ExitStack() as stack:
        journal = stack.enter_context(closing(context.open_journal()))
        stack.enter_context(lease.acquire())
        work = context.command_run(case, journal, lease)
        checks_before = work.catch_up(REFILL, fresh=not resumed)
        if resumed and journal.story.command != RESTORE_LOST:
            context.ports = ports
            return None
        if resumed:
            lost = journal.memory.get(SOURCE_LOST) or lost
            work.begin("resumed")
        else:
            check_restorable(journal.story, context.folder.folder)
            work.begin("begin", command=RESTORE_LOST, case=case.to_json())
        if lost is None:
            raise NoBackup(object=case.name, folder="", reason="the journal has no record of the loss", todo=_AGAIN)
        checks = _checks(context, case, lost)
        if not resumed:
            keep(journal, SOURCE_LOST.remember(lost))
            journal_checks(journal, "source_lost", checks)
        carry = prove_before_no_return(_make_proof(context, ports, case, lease))
        checks_before = (*checks_before, *checks, *work.carry_out(working_steps(RESTORE_LOST), carry=carry))
    return Outcome(journal.story, context.folder, checks_before)


_AGAIN = "Run `hcp-dr abort`, and restore another backup."


def _checks(context: Context, case: Case, lost: SourceLost) -> tuple[Check, ...]:
    items = (item.body for item in to_restore(context.ports, case))
    return (*source_loss.checks(case, lost, context.folder.folder), warn_unknown(find_unknown(items)))


def _make_proof(context: Context, ports: Ports, case: Case, lease: Lease | None = None) -> Callable[[], None]:
    """Raises SourceAnswers, StopRequested, LeaseLost."""

    def between() -> None:
        if context.stop.is_set():
            raise StopRequested
        if lease is not None:
            lease.renew()

    return lambda: check_unreachable(liveness_probes(ports, case), context.time, context.on_progress, between)


def _choose(context: Context) -> tuple[Case, Manifest]:
    """The case and manifest of the named folder, or else of the newest folder known here. A skipped folder is reported.
    Raises NoBackup, NotRestorable, SettingsError."""
    skipped: list[str] = []
    refused: NotRestorable | None = None
    folders = list_newest_first(context, skipped)
    _check_one_hosted_cluster(context.requested, folders)
    for folder in folders:
        context.choose(folder)
        try:
            check_usable(context)
            story = context.story
            check_restorable(story, folder.folder)
            case = check_fits(context, story)
            manifest = source_loss.check_verified(folder, story, context.ports.bucket, case)
        except (ArchiveError, SettingsError, NotRestorable) as error:
            refused = refused or (error if isinstance(error, NotRestorable) else None)
            skipped.append(error.what)
            context.tell(f"Skipped {folder.folder}: {error.what}")
        else:
            return with_destination(case, context.ports.destination), manifest
    if refused is not None:  # the newest of these has the advice
        raise refused
    wanted = context.requested
    where = context.backups.searched()
    reason = "; ".join(each.rstrip(".") for each in skipped) or f"no folder with a snapshot is at or below {where}"
    raise NoBackup(object=f"{wanted.namespace}/{wanted.name}", folder="", reason=reason)


def _check_one_hosted_cluster(wanted: Requested, folders: Sequence[Folder]) -> None:
    """With the source lost, nothing shows which of two namesakes it had. Raises SettingsError."""
    newest: dict[str, Folder] = {}
    for folder in folders:
        case = (folder.story() or JournalState()).case or {}
        if (case.get("namespace"), case.get("name")) == (wanted.namespace, wanted.name):
            newest.setdefault(str(case.get("infra_id")), folder)
    if len(newest) > 1:
        owners = " and ".join(f"infraID {infra_id} in {folder.folder}" for infra_id, folder in newest.items())
        raise SettingsError(
            what=f"The backups here belong to several hosted clusters called {wanted.namespace}/{wanted.name}: "
            f"{owners}.",
            todo="Find the lost one by the tag kubernetes.io/cluster/INFRAID of its instances, and name one of its "
            "backups with --backup.",
        )


def liveness_probes(ports: Ports, case: Case) -> tuple[LivenessProbe, ...]:
    """The endpoints that must not answer: the source's API, and the hosted API, because it would take writes."""
    return (
        LivenessProbe(
            f"the API of management cluster {case.source} answers",
            lambda: ports.source.find(NAMESPACE, KUBE_SYSTEM),
            "Relocate without data loss: `hcp-dr relocate`; if a relocation is begun, its error says how to continue. "
            "If only the credentials fail, fix them; if another server answers in its place, remove that server.",
        ),
        LivenessProbe(
            f"https://{case.api_hostname} answers, so that a control plane on {case.source} still takes writes",
            lambda: nonce_of(ports.hosted),
            f"Power off the nodes of {case.source}, or cut them from the network, so that its control plane is fenced; "
            "then run the command again.",
        ),
    )


def with_destination(case: Case, destination: Kubernetes) -> Case:
    """The case of a backup, with the current destination: its management cluster may have been created again since the
    backup. Raises SameCluster, KubernetesError."""
    uid = uid_of_cluster(destination)
    if uid == case.source_uid:
        raise SameCluster(
            evidence=f"namespace {KUBE_SYSTEM} behind MGMT2_KUBECONFIG has uid {uid}, like that of the lost source"
        )
    return replace(
        case,
        destination_uid=uid,
        destination_server=destination.server,
        destination_authority=destination.authority,
    )


def prove_before_no_return(prove: Callable[[], None]) -> Callable[[Run, Sequence[Step[Any]]], tuple[Check, ...]]:
    """Runs the steps, and proves again before the point of no return that the source is unreachable."""

    def carry(run: Run, steps: Sequence[Step[Any]]) -> tuple[Check, ...]:
        index = next(index for index, step in enumerate(steps) if step.name == POINT_OF_NO_RETURN)
        checks = run.carry_out(steps[:index])
        if POINT_OF_NO_RETURN not in run.journal.memory.acted:
            _prove_again(prove)
        return (*checks, *run.carry_out(steps[index:]))

    return carry


def _prove_again(prove: Callable[[], None]) -> None:
    try:
        prove()
    except SourceAnswers as error:
        raise SourceAnswers(
            why=error.values["why"],
            left="The objects created on the destination stay there, paused: no control plane takes writes there.",
            todo="`hcp-dr abort` removes them, gives the DNS names back, and proves the source; then relocate. "
            f"If the source must not serve again, fence it by hand and run {RESUME}.",
        ) from error
