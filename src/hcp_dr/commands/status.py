"""The state of the relocation, from any machine: the journal here, its mirror, and both Leases. Reads only."""

from __future__ import annotations

from hcp_dr.commands.context import Context
from hcp_dr.commands.journaled_case import read_remote
from hcp_dr.commands.left_as_was import nothing_begun
from hcp_dr.engine.journal import JournalState
from hcp_dr.engine.mirror import reconciled
from hcp_dr.engine.remote_state import RemoteState
from hcp_dr.errors import HcpDrError, JournalError, NothingToResume
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.objects.naming import bucket_prefix
from hcp_dr.procedure import UNDO, working_steps
from hcp_dr.report.status import Seen


def status(context: Context) -> Seen:
    """Raises NothingToResume if there is no journal anywhere."""
    with nothing_begun():
        return _seen(context)


def _seen(context: Context) -> Seen:
    try:
        folder = context.choose(context.backups.folder(new=False))
    except NothingToResume:
        folder = context.choose(context.backups.folder(new=True))
    story, requested = folder.story(), context.requested
    mine = str((story.case or {}).get("backup_id")) if context.backups.is_named and story is not None else None
    around = read_remote(context, mine)
    newest = newest_of(story, folder.folder, around, bucket_prefix(requested.namespace, requested.name))
    steps = [step.name for step in working_steps(newest.command or "")]
    if newest.aborted:
        steps = [step.name for step in UNDO if step.name in newest.memory.begun]
    here = folder.folder if story is not None else None
    return Seen(newest, here, newest is story, around, steps, POINT_OF_NO_RETURN, context.connections.now())


def newest_of(story: JournalState | None, folder: str, around: RemoteState, root: str) -> JournalState:
    """The newer of the local journal and the one in the bucket. Raises NothingToResume if there is neither."""
    mirror = around.mirror
    here = story if story is not None and story.command is not None else None
    if mirror is None or isinstance(mirror, HcpDrError):
        if here is None:
            unasked = "; ".join(f"the {word} was not read: {error.what}" for word, error in around.unasked.items())
            there = f"the search is incomplete: {unasked}" if unasked else "the bucket has none for this hosted cluster"
            raise NothingToResume(reason=f"{folder} holds no journal, and {there}".rstrip("."))
        return here
    if here is None:
        return mirror.story
    if mirror.prefix == f"{root}{(here.case or {}).get('backup_id')}":
        try:
            return here if reconciled(here.lines, mirror.story.lines, "") is here.lines else mirror.story
        except JournalError:
            return here
    latest = [float(each.lines[-1].get("at", 0)) for each in (here, mirror.story)]
    return here if latest[0] >= latest[1] else mirror.story
