"""What a machine is told by the end of a command, and that people can look it up."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcp_dr import errors
from hcp_dr.report import exit_codes
from tests.unit.test_errors import CLASSES

COMMITTED = Path(__file__).parents[2] / "docs" / "exit-codes.md"


def test_the_document_is_what_make_docs_makes() -> None:
    assert COMMITTED.read_text("utf-8") == exit_codes.document()


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind is not errors.HcpDrError], ids=lambda k: k.__name__)
def test_each_error_has_a_row_that_names_no_braces(kind: type[errors.HcpDrError]) -> None:
    [row] = [line for line in exit_codes.document().splitlines() if line.startswith(f"| {kind.exit_code} |")]
    assert f"| {kind.__name__} |" in row
    assert "{" not in row
    assert exit_codes.meaning(kind) in row
