"""The state of the relocation, from any machine: the journal here, its mirror, and both Leases. Reads only."""

from __future__ import annotations

from hcp_dr.commands.backups_to_restore import advise_without_source, is_silent_source
from hcp_dr.commands.begun import find_newest, next_command, nothing_known, read_remote, steps_of
from hcp_dr.commands.context import Context
from hcp_dr.commands.journaled_case import check_settings
from hcp_dr.commands.left_as_was import nothing_begun
from hcp_dr.engine.journal_lines import case_of
from hcp_dr.errors import AwsUnreachable, NothingToResume
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.procedure import BACKUP_ONLINE
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
    newest = find_newest(context, story, remote)
    silent, silent_bucket = is_silent_source(remote.source), isinstance(remote.mirror, AwsUnreachable)
    if newest is None:
        error = nothing_known(folder.folder, remote)
        if silent:
            error.remedy = f"{error.remedy} {advise_without_source(context, silent_bucket=silent_bucket)}"
        raise error
    needs_source = newest.story.command == BACKUP_ONLINE or next_command(newest.story) is not None
    return Seen(
        story=newest.story,
        backup_dir=folder.folder if story is not None else None,
        local=newest.local,
        around=remote,
        steps=steps_of(newest.story),
        no_return=POINT_OF_NO_RETURN,
        now=context.connections.now(),
        next_command=next_command(newest.story),
        without_source=advise_without_source(context, silent_bucket=silent_bucket) if silent and needs_source else "",
    )
