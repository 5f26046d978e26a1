"""docs/rules.md names every rule, and nothing in it that is not there."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
DOCUMENT = TESTS.parent / "docs" / "rules.md"
RULES = (
    *(f"A{number}" for number in range(1, 13)),
    *(f"B{number}" for number in range(1, 4)),
    *(f"C{number}" for number in range(1, 9)),
    "D",
    *(f"E{number}" for number in range(1, 5)),
    *(f"F{number}" for number in range(1, 6)),
    "G",
)
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in DOCUMENT.read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith(("| rule |", "| trap |"))
]
NOT_YET = "not yet: "


def named(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@cache
def functions(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text("utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def is_there(name: str) -> bool:
    """A test or a case."""
    file, colons, function = name.partition("::")
    if colons:
        path = TESTS / file
        return path.is_file() and function in functions(path)
    return (TESTS / "cases" / f"{name}.yaml").is_file()


def test_every_rule_has_its_row_in_order() -> None:
    assert [row[0] for row in ROWS if re.fullmatch(r"[A-G]\d*", row[0])] == list(RULES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_guard_and_each_test_that_is_named_is_there(row: tuple[str, ...]) -> None:
    _, demanded, guard, held = row
    assert demanded
    guards = named(guard)
    assert guards
    assert [name for name in guards if importlib.util.find_spec(name) is None] == []
    so_far, *missing = held.split(NOT_YET)
    assert [name for name in named(so_far) if not is_there(name)] == []
    assert named(so_far) or missing
