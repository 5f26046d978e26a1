"""docs/invariants.md defines every invariant that code, pages and tests name, and nothing in it that is not there."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.test_rules import is_there, named

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "invariants.md"
_NUMBER = re.compile(r"(?<![\w-])I\d+(?![\w-])")
SECTIONS = dict(re.findall(r"^## (I\d+): .+\n((?:(?!## ).*\n?)*)", DOCUMENT.read_text("utf-8"), flags=re.MULTILINE))


def texts() -> Iterator[Path]:
    for folder, endings in (("src", ("py",)), ("docs", ("md",)), ("tests", ("py", "yaml")), ("bench", ("py",))):
        for ending in endings:
            yield from (ROOT / folder).rglob(f"*.{ending}")


def test_each_is_defined_once_and_in_order() -> None:
    headings = re.findall(r"^## (I\d+)", DOCUMENT.read_text("utf-8"), flags=re.MULTILINE)
    assert headings == [f"I{number}" for number in range(1, len(headings) + 1)]
    assert list(SECTIONS) == headings


def test_each_that_is_named_anywhere_is_defined() -> None:
    named_there = {number: path for path in texts() for number in _NUMBER.findall(path.read_text("utf-8"))}
    assert {number: path for number, path in named_there.items() if number not in SECTIONS} == {}


@pytest.mark.parametrize("number", SECTIONS)
def test_what_keeps_it_and_what_holds_it_is_there(number: str) -> None:
    text = SECTIONS[number]
    kept, held = text.partition("- Kept by: ")[2].split("- Tested by: ")
    guards, tests = named(kept), named(held)
    assert guards
    assert tests
    assert [name for name in guards if importlib.util.find_spec(name) is None] == []
    assert [name for name in tests if not is_there(name)] == []
