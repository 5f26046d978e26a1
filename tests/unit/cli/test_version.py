"""The version, and which one is at work is told; a shell is told what may come next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from hcp_dr import __version__
from hcp_dr.engine import journal
from hcp_dr.report import page, relocation


def spawned(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.mark.parametrize(
    "command",
    [(str(Path(sys.executable).with_name("hcp-dr")),), (sys.executable, "-m", "hcp_dr")],
    ids=["script", "-m"],
)
def test_it_is_told(command: tuple[str, ...]) -> None:
    ended = spawned(*command, "--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"hcp-dr {__version__}\n", "")


def test_the_package_has_the_same() -> None:
    assert version("hcp-dr") == __version__


@pytest.mark.parametrize(("program", "verb"), [("hcp-dr", "relocate"), ("hcp-dr-lab", "drill")])
def test_a_shell_is_told_the_verbs(program: str, verb: str) -> None:
    asked = {
        f"_{program.replace('-', '_').upper()}_COMPLETE": "complete_bash",
        "COMP_WORDS": f"{program} {verb[:3]}",
        "COMP_CWORD": "1",
    }
    ended = spawned(str(Path(sys.executable).with_name(program)), **asked)
    assert (ended.returncode, ended.stdout.split(), ended.stderr) == (0, [verb], "")


def test_a_journal_without_it_is_read_and_reported(tmp_path: Path) -> None:
    lines: list[dict[str, object]] = [{"line": "begin", "at": 1.0, "command": "relocate", "by": "a"}]
    for more, told in (({}, []), ({"line": "resumed", "version": "9.9"}, ["9.9"]), ({"line": "resumed"}, ["9.9"])):
        lines += [{"at": 2.0, "by": "b", **more}] if more else []
        (tmp_path / journal.FILE_NAME).write_text("".join(json.dumps(line) + "\n" for line in lines))
        story = journal.read(tmp_path)
        assert story is not None
        report = relocation.to_json(story, backup_dir="/backup")
        assert report["versions"] == told
        assert ", ".join(told) in relocation.to_text(report)
        assert page.to_html(report)
