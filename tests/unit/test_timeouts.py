"""Every limit of a wait is in the one table, and people can look it up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hcp_dr
from hcp_dr.hypershift import timeouts
from hcp_dr.report import timeouts as report

COMMITTED = Path(__file__).parents[2] / "docs" / "timeouts.md"
PRODUCT = Path(hcp_dr.__file__).parent
WAITING = sorted(path for room in ("hypershift", "procedure") for path in (PRODUCT / room).rglob("*.py"))


def test_the_document_is_what_make_docs_makes() -> None:
    assert COMMITTED.read_text("utf-8") == report.document()


def limits(path: Path) -> Iterator[str]:
    """Of each wait of a module, as it is written. `limit` is a parameter, given by a caller of the same module."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Wait", "_wait"):
            given = [each.value for each in node.keywords if each.arg == "limit"]
            place = 2 if ast.unparse(node.func) == "Wait" else 3
            yield ast.unparse(given[0] if given else node.args[place])


@pytest.mark.parametrize("path", WAITING, ids=lambda path: str(path.relative_to(PRODUCT)))
def test_a_wait_takes_its_limit_from_the_table(path: Path) -> None:
    assert [limit for limit in limits(path) if "timeouts." not in limit and limit != "limit"] == []


def test_nothing_is_in_the_table_that_no_step_waits_for() -> None:
    used = {
        node.attr
        for path in WAITING
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "timeouts"
    }
    assert set(timeouts.table()) == used
