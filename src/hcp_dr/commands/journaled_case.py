"""The relocation of the backup folder, and whether a command may begin or continue in it."""

from __future__ import annotations

from contextlib import closing

from hcp_dr.commands.begun import next_command, read_remote, unfinished
from hcp_dr.commands.context import Context, Requested
from hcp_dr.commands.discover import complete_case
from hcp_dr.commands.left_as_was import NOTHING_CHANGED, ONLY_OURS_CHANGED
from hcp_dr.engine import journal as journals
from hcp_dr.engine.journal import FILE_NAME, JournalState
from hcp_dr.engine.journal_lines import case_of
from hcp_dr.engine.peers import check_answering, check_same_account, other_ways
from hcp_dr.engine.progress import Progress
from hcp_dr.errors import JournalError, NothingToResume, SettingsError
from hcp_dr.hypershift.access.tls import check_accepted
from hcp_dr.hypershift.manual_backup.folder import is_made_by_hand
from hcp_dr.hypershift.source_loss import is_lost
from hcp_dr.model import Case
from hcp_dr.procedure import BACKUP_ONLINE


def check_usable(context: Context, *, by_hand: bool = False) -> None:
    """Before any request to a cluster. Raises ArchiveError, JournalError if the backup folder is not safe to use."""
    if warning := context.folder.check_usable(by_hand=by_hand):
        context.on_progress(Progress("warned", "backup folder", warning))


def check_nothing_begun_here(context: Context) -> None:
    """In the folder. Raises Unfinished, JournalError."""
    story = context.story
    if story.command is not None and not story.ended:
        raise unfinished(story, context.folder.folder)


def check_no_unfinished_run(context: Context) -> None:
    """Raises Unfinished, JournalError if the folder already has a journal, ArchiveError if it is not safe to use."""
    check_usable(context)
    check_nothing_begun_here(context)
    story = context.story
    if story.command is None:
        return
    raise JournalError(
        path=_journal_of(context),
        reason=f"the folder holds a finished {story.command}",
        left=NOTHING_CHANGED,
        todo="Choose another BACKUP_DIR for a new relocation.",
    )


def known_case(context: Context, command: str) -> Case:
    """The case of the folder's journal, for a later phase; for a folder without journal, of the last relocation at
    work on any machine. Raises NothingToResume, Unfinished, JournalError if the phase may not follow."""
    check_usable(context)
    story, where = context.story, context.folder.folder
    if story.case is None:
        _check_phase(context, read_remote(context).journal(where).story, command)
        story, where = _fetch(context, where)
    _check_phase(context, story, command)
    return _read_case(context, story)


def _check_phase(context: Context, story: JournalState, command: str) -> None:
    """Raises Unfinished, JournalError."""
    if not story.ended and story.command != command:
        raise unfinished(story, context.folder.folder)
    refused = _refuse_phase(story, command)
    if refused is not None:
        reason, todo = refused
        raise JournalError(path=_journal_of(context), reason=reason, left=ONLY_OURS_CHANGED, todo=todo)


def _refuse_phase(story: JournalState, command: str) -> tuple[str, str] | None:
    """Why the phase may not follow, and the alternative."""
    if story.command == BACKUP_ONLINE:
        return (
            f"it holds an online backup, of a hosted cluster that kept serving, and {command} would lose writes",
            "Name another BACKUP_DIR for a relocation.",
        )
    if command == "restore" and is_lost(story.memory):
        return (
            "it was restored while the source was lost",
            "Continue with `hcp-dr verify`, or name another BACKUP_DIR for a relocation.",
        )
    if story.aborted:
        return (
            f"its relocation was aborted, and {command} would begin it again",
            "Name another BACKUP_DIR for a new relocation.",
        )
    return None


def journaled_case(context: Context) -> Case:
    """The case of the folder's journal, finished or not. For a folder without journal, the case of the last relocation
    at work on any machine: in its own folder if it is known here, else with its journal fetched into this folder.
    Raises NothingToResume, JournalError, ArchiveError."""
    check_usable(context, by_hand=is_made_by_hand(context.folder, context.requested.namespace))
    story, where = context.story, context.folder.folder
    if story.case is None:
        story, where = _fetch(context, where)
    if story.case is None or story.command is None:
        raise NothingToResume(reason=f"{where} holds no journal")
    return _read_case(context, story)


def unfinished_case(context: Context) -> Case:
    """As `journaled_case`, for a command that is not finished by its journal."""
    case = journaled_case(context)
    story = context.story
    if story.ended:
        following = next_command(story)
        raise NothingToResume(
            reason=f"the {story.command} in {context.folder.folder} is finished",
            todo=f"Continue with `hcp-dr {following}`." if following else "`hcp-dr report` shows what was done.",
        )
    return case


def check_fits(context: Context, story: JournalState) -> Case:
    """Raises SettingsError if the settings belong to another relocation or another AWS account, Refused if a server is
    not verified, AwsError."""
    case = case_of(story.case or {}, _journal_of(context))
    check_settings(context.requested, case)
    check_accepted(context.ports, story)
    check_same_account(context.ports, case)
    for text in other_ways(context.ports, case):
        context.tell_once(text)
    return case


def check_settings(requested: Requested, case: Case) -> None:
    """Raises SettingsError if the settings belong to another relocation."""
    for variable, ours, theirs in (
        ("HC_CLUSTER_NS", requested.namespace, case.namespace),
        ("HC_CLUSTER_NAME", requested.name, case.name),
        ("MGMT_CLUSTER_NAME", requested.source, case.source),
        ("MGMT2_CLUSTER_NAME", requested.destination, case.destination),
        ("BUCKET_NAME", requested.bucket, case.bucket),
        ("AWS_ZONE_ID", requested.zone_id, case.zone_id),
        ("EXTERNAL_DNS_DOMAIN", requested.domain, case.domain),
        ("MGMT2_REGION", requested.region or case.aws_region, case.aws_region),
    ):
        if ours != theirs:
            raise SettingsError(
                what=f"The journal belongs to a relocation with {variable}={theirs}, but the settings have "
                f"{variable}={ours}.",
                left=ONLY_OURS_CHANGED,
                todo="Use the settings of the beginning of the relocation.",
            )


def _fetch(context: Context, where: str) -> tuple[JournalState, str]:
    mirrored = read_remote(context).journal(where)
    case = check_fits(context, mirrored.story)
    if (folder := context.backups.of_backup(case.backup_id)) is not None:
        context.choose(folder)
        check_usable(context)
        context.tell(f"Continuing with backup {case.backup_id} in {folder.folder}.")
        return context.story, folder.folder
    context.folder.make(by_hand=mirrored.story.command == journals.RESTORE_BY_HAND)
    with closing(context.open_journal()) as journal:
        journal.adopt(mirrored.data)
    context.tell(f"Continuing with backup {case.backup_id}; its journal is now in {where}.")
    return mirrored.story, f"s3://{context.ports.bucket.name}/{mirrored.prefix}"


def _read_case(context: Context, story: JournalState) -> Case:
    """Raises SettingsError, WrongCluster."""
    case = complete_case(check_fits(context, story), context.ports)
    check_answering(context.ports, case, lost=is_lost(story.memory))
    return case


def _journal_of(context: Context) -> str:
    return f"{context.folder.folder}/{FILE_NAME}"
