"""The report of a relocation and its verification, from the journal."""

from __future__ import annotations

import json
from typing import Any

from hcp_dr.commands.context import Folder, Requested
from hcp_dr.commands.journaled_case import check_settings
from hcp_dr.engine.journal import JournalState
from hcp_dr.engine.journal_lines import case_of
from hcp_dr.errors import ArchiveError
from hcp_dr.hiding import safe
from hcp_dr.report import page, relocation


def read_report(folder: Folder, requested: Requested | None = None) -> dict[str, Any]:
    """The report as JSON's values. It needs no settings: the folder's journal holds everything. Raises ArchiveError if
    there is no journal, JournalError, SettingsError if the journal belongs to another relocation than `requested`."""
    story = folder.story()
    if story is None:
        raise ArchiveError(
            folder=folder.folder,
            reason="it holds no journal",
            left="",
            todo="Pass the backup folder that `hcp-dr` printed with --backup.",
        )
    if requested is not None and story.case is not None:
        check_settings(requested, case_of(story.case, folder.folder))
    return dict(safe(relocation.to_json(story, backup_dir=folder.folder)))


def write_report(folder: Folder, story: JournalState) -> None:
    """Beside the journal, as JSON, text and HTML. Raises ArchiveError."""
    report = safe(relocation.to_json(story, backup_dir=folder.folder))
    folder.write("report.json", json.dumps(report, indent=1) + "\n")
    folder.write("report.txt", relocation.to_text(report) + "\n")
    folder.write("report.html", page.to_html(report))
