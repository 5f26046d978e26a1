"""A plan decides over facts: neither it, nor what it is made of, can reach a clock, a socket, a file or chance."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import hcp_dr

PRODUCT = Path(hcp_dr.__file__).parent
PURE = sorted(
    path for room in ("objects", "hypershift", "procedure", "report") for path in (PRODUCT / room).rglob("*.py")
)
STEPS_AND_SHARED = [path for path in PURE if {"hypershift", "procedure"} & set(path.parts)]
FORBIDDEN = frozenset(
    {
        *("asyncio", "concurrent", "datetime", "http", "io", "multiprocessing", "os", "pathlib", "random", "secrets"),
        *("select", "shutil", "signal", "socket", "ssl", "subprocess", "sys", "tempfile", "threading", "time"),
        *("urllib", "uuid", "boto3", "botocore", "httpx2", "httpcore2", "typer", "rich"),
    }
)
BUILTINS = frozenset({"open", "input", "print", "exec", "eval", "__import__"})

WRITES = frozenset(
    {
        *("create", "patch", "delete", "put", "change", "protect", "write", "presign_put", "presign_part", "perform"),
        *("begin_upload", "complete_upload", "abort_upload", "copy"),
    }
)
"""Methods of ports, but `replace`, which str and dataclasses have too. Without arguments none of them writes."""


def named(path: Path) -> str:
    parts = path.relative_to(PRODUCT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Modules that a module imports, whatever it does with them, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", PURE, ids=named)
def test_nothing_that_decides_imports_a_clock_a_socket_or_a_file(path: Path) -> None:
    assert {module.partition(".")[0] for module in imported(path)} & FORBIDDEN == set()


@pytest.mark.parametrize("path", PURE, ids=named)
def test_nothing_that_decides_calls_what_leads_outside(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert called & BUILTINS == set()


@pytest.mark.parametrize("path", STEPS_AND_SHARED, ids=named)
def test_a_plan_gets_its_facts_and_nothing_else(path: Path) -> None:
    """What is reachable in a plan by its arguments is what was observed: no ports, no case, no memory."""
    module = importlib.import_module(named(path))
    for name in ("plan", "foresee", "afterwards", "revert"):
        function = getattr(module, name, None)
        if function is not None and not isinstance(function, ModuleType):
            words = str(function.__annotations__)
            assert "Ports" not in words
            assert "Memory" not in words


@pytest.mark.parametrize("path", STEPS_AND_SHARED, ids=named)
def test_the_procedure_only_reads(path: Path) -> None:
    """Whatever changes the world is an action; a step calls no port that writes."""
    tree = ast.parse(path.read_text("utf-8"))
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and (node.args or node.keywords)
    }
    assert called & WRITES == set()


def test_the_closed_list_of_reading_commands() -> None:
    """I9: only etcd's own words, the snapshot's file, and what would restore it are read by a command in a pod."""
    executing = {
        named(path)
        for path in PURE
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "execute"
    }
    rooms = ("etcd.members", "etcd.snapshot_file", "etcd.restorable", "manual_backup.snapshot")
    assert executing == {f"hcp_dr.hypershift.{room}" for room in rooms}
