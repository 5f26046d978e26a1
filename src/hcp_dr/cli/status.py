"""`hcp-dr status`: where the relocation is, from any machine: the journal here, its mirror, and both Leases."""

from __future__ import annotations

import time

from hcp_dr import config
from hcp_dr.cli.asking import show
from hcp_dr.cli.folders import backup_folder
from hcp_dr.cli.session import Backup, EnvFile, OutputOption, connected, connected_aws
from hcp_dr.engine import journal
from hcp_dr.engine.around import Around, ask_around
from hcp_dr.engine.journal import Story
from hcp_dr.engine.mirror import reconciled
from hcp_dr.errors import HcpDrError, JournalError, NothingToResume
from hcp_dr.hypershift.steps import POINT_OF_NO_RETURN
from hcp_dr.objects.naming import bucket_prefix
from hcp_dr.procedure import UNDO, working_steps
from hcp_dr.report import status as report


def status(env_file: EnvFile = None, backup: Backup = None, output: OutputOption = "text") -> None:
    """Say where the relocation is, who is at work, and what to do next. Reads only."""
    given = config.variables(env_file)
    settings = config.load(given)
    try:
        folder = backup_folder(settings, backup, new=False)
    except NothingToResume:
        folder = backup_folder(settings, backup, new=True)
    story = journal.read(folder.path)
    mine = str((story.case or {}).get("backup_id")) if backup is not None and story is not None else None
    around = ask_around(
        lambda: connected(settings, "source"),
        lambda: connected(settings, "destination"),
        lambda: connected_aws(settings, given).bucket,
        namespace=settings.hc_cluster_ns,
        name=settings.hc_cluster_name,
        backup_id=mine,
    )
    newest = newest_of(story, folder.folder, around, bucket_prefix(settings.hc_cluster_ns, settings.hc_cluster_name))
    steps = [step.name for step in working_steps(newest.command or "")]
    if newest.called_off:
        steps = [step.name for step in UNDO if step.name in newest.memory.begun]
    here = folder.folder if story is not None else None
    now = time.time()
    seen = report.Seen(newest, here, newest is story, around, steps, POINT_OF_NO_RETURN, now)
    value = report.to_json(seen)
    show(output, value, report.to_text(value, now))


def newest_of(story: Story | None, folder: str, around: Around, root: str) -> Story:
    """Of the journal here and the one in the bucket. Raises NothingToResume where there is neither."""
    mirror = around.mirror
    here = story if story is not None and story.command is not None else None
    if mirror is None or isinstance(mirror, HcpDrError):
        if here is None:
            unasked = "; ".join(f"the {word} was not asked: {error.what}" for word, error in around.unasked.items())
            there = (
                f"not everything could be asked: {unasked}"
                if unasked
                else "none of this hosted cluster is in the bucket"
            )
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
