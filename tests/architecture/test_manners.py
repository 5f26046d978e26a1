"""Rules of the house that import contracts cannot hold."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import hcp_dr
from hcp_dr import errors
from tests.unit.test_errors import CLASSES

PRODUCT = Path(hcp_dr.__file__).parent
MODULES = sorted(PRODUCT.rglob("*.py"))
SOURCES = sorted(PRODUCT.parent.rglob("*.py"))


@dataclass(frozen=True, slots=True)
class Source:
    """Of a module's code: every word that it uses or defines, not its prose; what it calls; its long functions."""

    names: frozenset[str]
    calls: frozenset[str]
    long: tuple[str, ...]


@cache
def source(path: Path) -> Source:
    """A module is parsed once for all tests that look at it."""
    nodes = [*ast.walk(ast.parse(path.read_text()))]
    called = (node.func for node in nodes if isinstance(node, ast.Call))
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef))
    return Source(
        names=frozenset(names(nodes)),
        calls=frozenset(map(ast.unparse, called)) if path.is_relative_to(PRODUCT) else frozenset(),
        long=tuple(each.name for each in functions if (each.end_lineno or 0) - each.lineno >= 60),
    )


def names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.keyword(arg=str(name)) | ast.Attribute(attr=name):
                yield name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.alias(name=name):
                yield name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PRODUCT.parent)))
def test_dry_run_is_printing_a_plan_and_no_flag(path: Path) -> None:
    assert not [name for name in source(path).names if "dry_run" in name.lower() or "dryrun" in name.lower()]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PRODUCT)))
def test_only_the_engine_waits_and_only_the_command_line_ends_the_process(path: Path) -> None:
    room = path.relative_to(PRODUCT).parts[0]
    called = source(path).calls
    assert room == "engine" or not called & {"time.sleep", "sleep"}
    assert room == "cli" or not called & {"sys.exit", "exit", "os._exit", "print", "input"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PRODUCT)))
def test_modules_are_of_a_size_to_be_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= (520 if path.name == "errors.py" else 450), "errors are one table"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PRODUCT)))
def test_no_function_is_longer_than_a_page(path: Path) -> None:
    assert not source(path).long


def test_the_error_tree_is_drawn_as_it_is() -> None:
    """Name, parent, exit code and whether it passes, read from the drawing on top of the module."""
    drawn: dict[str, tuple[str | None, int, bool]] = {}
    above: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        words = line.replace("├──", "   ").replace("└──", "   ").replace("│", " ").split()
        if len(words) < 2 or words[0] not in {kind.__name__ for kind in CLASSES}:
            continue
        depth = line.index(words[0])
        parent = next((above[place] for place in sorted(above, reverse=True) if place < depth), None)
        above = {place: name for place, name in above.items() if place < depth} | {depth: words[0]}
        drawn[words[0]] = (parent, int(words[1]), words[2:3] == ["passing"])
    root = errors.HcpDrError
    assert drawn == {
        kind.__name__: (None if kind is root else kind.__mro__[1].__name__, kind.exit_code, kind.passing)
        for kind in CLASSES
    }


def test_exit_codes_are_distinct_and_within_their_band() -> None:
    codes = [kind.exit_code for kind in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(2 <= code <= 99 for code in codes)
