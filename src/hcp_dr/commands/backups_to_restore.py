"""The backups from which a hosted cluster can be restored while the source does not answer, and the advice to do so."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from hcp_dr.commands.begun import may_be_aborted, unfinished
from hcp_dr.commands.context import Context, Folder
from hcp_dr.commands.journaled_case import check_settings
from hcp_dr.engine.journal import JournalState
from hcp_dr.engine.journal_lines import case_of
from hcp_dr.errors import (
    ArchiveError,
    AwsUnreachable,
    ClusterUnreachable,
    HcpDrError,
    JournalError,
    LeaseHeld,
    LeaseLost,
    NoBackup,
)
from hcp_dr.hypershift import source_loss
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.objects.archive import Manifest, read_manifest
from hcp_dr.procedure import RESTORE_LOST, UNDO
from hcp_dr.procedure.verify import hosted_api

Options = ParamSpec("Options")
Answer = TypeVar("Answer")


def list_newest_first(context: Context, skipped: list[str]) -> list[Folder]:
    dated: list[tuple[float, Folder]] = []
    for folder in context.backups.with_snapshot():
        try:
            manifest, story = read_manifest(folder), folder.story() or JournalState()
        except (ArchiveError, JournalError) as error:
            skipped.append(error.what)
            continue
        if manifest is not None and manifest.snapshot is not None:
            dated.append((source_loss.moment_of(manifest, story.memory), folder))
    return [folder for _, folder in sorted(dated, key=lambda each: each[0], reverse=True)]


def check_restorable(story: JournalState, folder: str) -> None:
    """Each backup may be restored once. Raises NoBackup, Unfinished, JournalError."""
    if story.case is None or story.aborted:
        reason = "its relocation was aborted" if story.aborted else "it has no journal"
        raise NoBackup(object="this hosted cluster", folder=folder, reason=f"{folder} cannot be used, {reason}")
    if story.command == RESTORE_LOST and not story.ended and is_lost(story.memory):
        raise unfinished(story, folder)
    if story.acted_in(POINT_OF_NO_RETURN):
        if not story.ended:
            raise JournalError(
                path=folder,
                reason="its point of no return has passed, so the destination may hold writes",
                left="Nothing of the hosted cluster was changed by this command.",
                todo="Finish it with `hcp-dr resume`, which continues without an unreachable source.",
            )
        raise NoBackup(object="this hosted cluster", folder=folder, reason=f"the one in {folder} was already restored")


def advise_without_source(context: Context, *, silent_bucket: bool = False) -> str:
    """What an engineer can do if the source is lost, with the newest backup known here and the writes that its restore
    loses. After the point of no return no source is needed: then only the advice for a source that never comes back."""
    if context.chosen is not None and _passed_no_return(context.chosen):
        return _NEVER_BACK if _is_in_service(context.chosen) else ""
    wanted = context.requested
    bucket_needed = f"If the source is lost, a backup is restored from bucket {wanted.bucket}, which does not answer."
    if silent_bucket:  # asked once: it takes all the time of a request
        return bucket_needed
    for folder in list_newest_first(context, []):
        try:
            manifest, story = _read_backup(context, folder)
        except AwsUnreachable:
            return bucket_needed
        except HcpDrError:
            continue
        lost = source_loss.loss(source_loss.moment_of(manifest, story.memory), context.connections.now())
        revision = manifest.snapshot.revision if manifest.snapshot else "?"
        command = shlex.join(
            ("hcp-dr", "restore", "--source-lost", "--reason", f"{wanted.source} is lost", "--backup", folder.folder)
        )
        return (
            f"If the source is lost, the newest verified backup is in {folder.folder} (etcd revision {revision}); "
            f"{lost}. To restore it: `{command}`."
        )
    return (
        f"If the source is lost, a backup is needed, and no verified one is at or below {context.backups.searched()}: "
        "copy the folder of a backup to this machine, and name it with --backup in `hcp-dr restore --source-lost "
        f"--reason {shlex.quote(f'{wanted.source} is lost')}`."
    )


def _passed_no_return(folder: Folder) -> bool:
    try:
        story = folder.story()
    except JournalError:
        return False
    return story is not None and (story.acted_in(POINT_OF_NO_RETURN) or is_lost(story.memory))


def _is_in_service(folder: Folder) -> bool:
    story = folder.story()
    return story is not None and hosted_api.STEP.name in story.memory.done


_NEVER_BACK = (
    "The hosted cluster is in service on the destination, and only its removal from the source is left. Its instances "
    "keep their termination protection until then, so that a source that comes back terminates none of them. If the "
    "source never comes back, nothing else is left to do: remove the protection of each instance with "
    "aws ec2 modify-instance-attribute --no-disable-api-termination --instance-id ID"
)


def _read_backup(context: Context, folder: Folder) -> tuple[Manifest, JournalState]:
    """Raises HcpDrError for a backup that would not be restored. Chooses no folder and asks no cluster."""
    story = folder.story() or JournalState()
    check_restorable(story, folder.folder)
    case = case_of(story.case or {}, folder.folder)
    check_settings(context.requested, case)
    return source_loss.check_verified(folder, story, context.bucket(), case), story


def advised(
    command: Callable[Concatenate[Context, Options], Answer],
) -> Callable[Concatenate[Context, Options], Answer]:
    """A command whose error says how to continue: with the command again, if it has not begun, and without a source
    that does not answer."""

    @wraps(command)
    def advising(context: Context, /, *args: Options.args, **named: Options.kwargs) -> Answer:
        try:
            return command(context, *args, **named)
        except HcpDrError as error:
            error.begun = bool(error.begun)
            add_advice(context, error)
            _add_way_back(context, error)
            raise

    return advising


def _add_way_back(context: Context, error: HcpDrError) -> None:
    """The abort, to an error of a relocation that may be aborted: its cause may not go away."""
    if not error.begun or context.chosen is None or "hcp-dr abort" in error.remedy or is_silent_source(error):
        return
    if isinstance(error, LeaseHeld | LeaseLost | JournalError):
        return
    story = context.story
    undoable = any(step.name in story.memory.begun - story.memory.undone for step in UNDO)
    if undoable and not story.ended and may_be_aborted(story) and not is_lost(story.memory):
        error.remedy = f"{error.remedy.rstrip()} Or put the source back into service: `hcp-dr abort`."


def add_advice(context: Context, error: HcpDrError) -> None:
    """To the error of a source that does not answer, once."""
    if is_silent_source(error) and "--source-lost" not in error.remedy:
        error.remedy = f"{error.remedy} {advise_without_source(context)}".rstrip()


def is_silent_source(error: object) -> bool:
    """A server that shows a certificate is no lost source."""
    return isinstance(error, ClusterUnreachable) and error.values.get("cluster") == "source" and not error.shown
