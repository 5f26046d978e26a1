"""A journal that somebody edited, or that is of another version, is an error of the journal from every verb."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcp_dr.engine.journal import FILE_NAME
from tests.ports import CASE
from tests.unit.cli.conftest import Hcp
from tests.unit.engine.test_journal_lines import BEGIN, written


@pytest.mark.usefixtures("connected")
@pytest.mark.parametrize("words", [["resume"], ["abort", "--yes"], ["verify"], ["teardown", "--yes"]])
def test_a_case_of_another_kind_is_an_error_of_the_journal(hcp: Hcp, folder: Path, words: list[str]) -> None:
    end = [{"at": 2.0, "line": "end"}] if words[0] not in ("resume", "abort") else []
    written(folder, {**BEGIN, "case": {**CASE.to_json(), "extra": 1}}, *end)
    ended = hcp(*words)
    assert ended.code == 55
    assert (
        f"The journal {folder / FILE_NAME} does not allow this command: its record of the relocation cannot be read"
        in ended.paragraph
    )


@pytest.mark.parametrize("words", [["report"], ["status"], ["resume"], ["relocate", "--yes"]])
@pytest.mark.usefixtures("connected")
def test_the_way_out_of_it_is_told(hcp: Hcp, folder: Path, words: list[str]) -> None:
    written(folder, {**BEGIN, "at": "now"})
    ended = hcp(*words)
    assert ended.code == 55
    way = f"Move it away, and continue with its copy in the bucket: `hcp-dr resume --backup {folder}`."
    assert ended.paragraph.endswith(way)
