"""The state of the relocation, from any machine: the journal here, its mirror, and both Leases. Reads only."""

from __future__ import annotations

from hcp_dr.commands.context import Context
from hcp_dr.commands.journaled_case import check_settings, read_remote
from hcp_dr.commands.left_as_was import nothing_begun
from hcp_dr.engine.journal import JournalState
from hcp_dr.engine.journal_lines import case_of
from hcp_dr.engine.mirror import reconcile
from hcp_dr.engine.remote_state import RemoteState
from hcp_dr.errors import HcpDrError, JournalError, NotAuthentic, NothingToResume
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.objects.naming import bucket_prefix
from hcp_dr.procedure import UNDO, working_steps
from hcp_dr.report.status import Seen


def status(context: Context) -> Seen:
    """Raises NothingToResume if there is no journal anywhere, SettingsError if the folder has that of another
    relocation."""
    with nothing_begun():
        return _read_status(context)


def _read_status(context: Context) -> Seen:
    try:
        folder = context.choose(context.backups.folder(new=False))
    except NothingToResume:
        folder = context.choose(context.backups.folder(new=True))
    story, requested = folder.story(), context.requested
    case = case_of(story.case, folder.folder) if story is not None and story.case is not None else None
    if case is not None:
        check_settings(requested, case)
    backup_id = str((story.case or {}).get("backup_id")) if context.backups.is_named and story is not None else None
    remote = read_remote(context, backup_id, case)
    newest = choose_newest(story, folder.folder, remote, bucket_prefix(requested.namespace, requested.name))
    steps = [step.name for step in working_steps(newest.command or "")]
    if newest.aborted:
        steps = [step.name for step in UNDO if step.name in newest.memory.begun]
    local_folder = folder.folder if story is not None else None
    return Seen(newest, local_folder, newest is story, remote, steps, POINT_OF_NO_RETURN, context.connections.now())


def choose_newest(story: JournalState | None, folder: str, remote: RemoteState, root: str) -> JournalState:
    """The newer of the local journal and the one in the bucket. Raises NothingToResume if there is neither,
    NotAuthentic."""
    mirror = remote.mirror
    local = story if story is not None and story.command is not None else None
    if local is None and isinstance(mirror, NotAuthentic):
        raise mirror
    if mirror is None or isinstance(mirror, HcpDrError):
        if local is None:
            unread = "; ".join(f"the {place} was not read: {error.what}" for place, error in remote.unread.items())
            search = f"the search is incomplete: {unread}" if unread else "the bucket has none for this hosted cluster"
            raise NothingToResume(reason=f"{folder} holds no journal, and {search}".rstrip("."))
        return local
    if local is None:
        return mirror.story
    if mirror.prefix == f"{root}{(local.case or {}).get('backup_id')}":
        try:
            return local if reconcile(local.lines, mirror.story.lines, "") is local.lines else mirror.story
        except JournalError:
            return local
    latest = [each.lines[-1].at for each in (local, mirror.story)]
    return local if latest[0] >= latest[1] else mirror.story
