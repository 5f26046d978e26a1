"""Each command that a text names runs as it is printed: with the program and the options of the call."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from hcp_dr.cli import app
from hcp_dr.cli.calling import IN_A_FOLDER, WITHOUT_CLUSTERS, Call, for_people, set_call
from hcp_dr.engine.journal import FILE_NAME

ROOT = Path(__file__).parents[3] / "src" / "hcp_dr"
GROUP = typer.main.get_command(app)
VERBS: dict[str, Any] = dict(GROUP.commands)  # type: ignore[attr-defined]
_COMMAND = re.compile(r"`(hcp-dr [^`]+)`")


def parse(line: str) -> None:
    """Raises if the command line is not one of the program; carries out nothing."""
    _, verb, *words = shlex.split(line)
    VERBS[verb].make_context(verb, words)


def options(verb: str) -> set[str]:
    return {option for parameter in VERBS[verb].params for option in parameter.opts}


def texts(tree: ast.AST) -> Iterator[str]:
    """All texts of a module but its docstrings, with a word in the place of each value."""
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in node.values}
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else "source" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented | parts:
            yield node.value


def test_every_command_in_a_text_is_one_of_the_program() -> None:
    found = set()
    for path in ROOT.rglob("*.py"):
        if "unforeseen" not in path.name and "options" not in path.name:
            for text in texts(ast.parse(path.read_text())):
                for command in _COMMAND.findall(text.replace("{follows}", "resume")):
                    found.add(command)
                    parse(command.replace("resumesource", "resume").replace("hcp-dr source", "hcp-dr resume"))
    assert len(found) > 10


def test_the_options_of_a_call_are_options_of_its_next_command() -> None:
    for verb in VERBS:
        assert ("--backup" in options(verb)) or verb not in IN_A_FOLDER
        assert ("--context" in options(verb)) is (verb not in WITHOUT_CLUSTERS)
        assert "--env-file" in options(verb)


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Call]:
    (tmp_path / FILE_NAME).write_text("")
    called = Call(tmp_path / "my env", lambda: tmp_path, contexts=("--context", "one"))
    set_call(called)
    yield called
    set_call(Call())


@pytest.mark.usefixtures("call")
@pytest.mark.parametrize("verb", sorted(VERBS))
def test_it_is_completed_and_runs(tmp_path: Path, verb: str) -> None:
    [line] = _COMMAND.findall(for_people(f"Run `hcp-dr {verb}` now."))
    parse(line)
    words = shlex.split(line)
    assert words[words.index("--env-file") + 1] == str(tmp_path / "my env")
    assert ("--backup" in words) is (verb in IN_A_FOLDER)
    assert ("--context" in words) is (verb not in WITHOUT_CLUSTERS)


@pytest.mark.usefixtures("call")
def test_what_it_has_already_is_not_added_again() -> None:
    for text in ("`hcp-dr resume --backup /b --dns takeover`", "`hcp-dr restore --source-lost --reason 'a b'`"):
        [line] = _COMMAND.findall(for_people(text))
        parse(line)
        assert line.startswith(text[1:-1])
        assert line.count("--backup") == text.count("--backup")


def test_a_folder_without_a_journal_is_named_only_if_the_engineer_named_it(tmp_path: Path) -> None:
    assert Call(None, lambda: tmp_path).complete("hcp-dr resume") == "hcp-dr resume"
    named = Call(None, lambda: tmp_path, named=True).complete("hcp-dr resume")
    assert named == f"hcp-dr resume --backup {tmp_path}"


@pytest.mark.parametrize(
    ("program", "started", "called"),
    [
        ("/usr/bin/kubectl-hcp_dr", "kubectl", "kubectl hcp-dr resume"),
        ("/usr/bin/kubectl-hcp_dr", "oc", "oc hcp-dr resume"),
        ("/usr/bin/oc-hcp_dr", "oc", "oc hcp-dr resume"),
        ("/usr/bin/kubectl-hcp_dr", "bash", "kubectl hcp-dr resume"),
        ("/usr/bin/hcp-dr", "bash", "hcp-dr resume"),
    ],
)
def test_a_plugin_is_called_as_one(monkeypatch: pytest.MonkeyPatch, program: str, started: str, called: str) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    monkeypatch.setenv("_", f"/usr/local/bin/{started}")
    assert Call().complete("hcp-dr resume") == called
