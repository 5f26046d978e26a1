"""What nobody foresaw ends with exit code 2 and one paragraph, from every verb, and never as if something were done."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import secrets
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from hcp_dr import config
from hcp_dr.cli import app, unforeseen
from hcp_dr.engine import journal
from hcp_dr.engine.step import Decision, Do, Done, Protect, Step
from hcp_dr.kube.resources import LEASE
from hcp_dr.procedure import PHASES
from hcp_dr.report import outcome
from tests.ports import World
from tests.unit.cli.conftest import Ended, Hcp

PROGRAM = Path(sys.executable).with_name("hcp-dr")
VERBS = [[str(each.name or each.callback.__name__)] for each in app.registered_commands if each.callback]
FORMS = [*VERBS, ["backup", "--online"], ["restore", "--source-lost", "--reason", "lost"], ["rbac", "iam"]]


def deep(depth: int = 0) -> int:
    return deep(depth + 1)


def raising(error: BaseException) -> Callable[..., Any]:
    def raiser(*_: Any, **__: Any) -> Any:
        raise error

    return raiser


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where details are kept that no backup folder has."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "hcp-dr"


def details(folder: Path) -> str:
    [file] = folder.glob("crash-*.txt")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return file.read_text()


def test_every_verb_is_among_them() -> None:
    assert {"preflight", "plan", "relocate", "backup", "restore", "verify", "teardown", "finish", "resume"} <= {
        verb for verb, *_ in VERBS
    }
    assert {"abort", "status", "report", "rbac"} <= {verb for verb, *_ in VERBS}


@pytest.mark.parametrize("words", FORMS, ids=" ".join)
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("boom"),
        MemoryError(),
        EOFError(),
        typer.Abort(),
        SystemExit(1),
        SystemExit("words"),
        BrokenPipeError(errno.EPIPE, "of a connection"),
        OSError(errno.ENOSPC, "No space left on device"),
        GeneratorExit(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_each_verb_ends_with_2(
    hcp: Hcp, state: Path, monkeypatch: pytest.MonkeyPatch, *, words: list[str], error: BaseException
) -> None:
    monkeypatch.setattr(config, "variables", raising(error))
    ended = hcp(*words)
    kind = type(error).__name__
    assert (ended.code, ended.out) == (2, "")
    [file] = state.glob("crash-*.txt")
    assert ended.err == (
        f"hcp-dr: An unexpected error ended this command ({kind}); this is a bug in hcp-dr. "
        f"Nothing of the hosted cluster was changed. Run the command again. The details are in {file}.\n"
    )
    assert kind in details(state)
    assert "raise error\n" in details(state)
    assert words[0] in details(state).splitlines()[1]
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_an_endless_recursion(hcp: Hcp, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "variables", lambda _: deep())
    assert hcp("status").code == 2
    assert "RecursionError" in details(state)


@pytest.mark.parametrize("words", FORMS, ids=" ".join)
@pytest.mark.parametrize("asked", [False, True], ids=["", "while asking"])
def test_an_interruption_is_no_crash(
    hcp: Hcp, state: Path, monkeypatch: pytest.MonkeyPatch, *, words: list[str], asked: bool
) -> None:
    def interrupted(*_: Any) -> Any:
        if not asked:
            raise KeyboardInterrupt
        raise typer.Abort from KeyboardInterrupt()

    monkeypatch.setattr(config, "variables", interrupted)
    ended = hcp(*words)
    assert ended.code == 128 + signal.SIGINT
    assert (
        ended.err
        == "hcp-dr: Interrupted by SIGINT. Nothing of the hosted cluster was changed. Run the command again.\n"
    )
    assert not state.exists()


@pytest.mark.parametrize("words", [[*each, "--no-such-option"] for each in VERBS] + [["teleport"], []], ids=" ".join)
def test_a_wrong_word_is_no_crash(hcp: Hcp, state: Path, words: list[str]) -> None:
    ended = hcp(*words)
    assert ended.code == 2
    assert "Usage: hcp-dr" in ended.err + ended.out
    assert "foresaw" not in ended.err
    assert not state.exists()


def test_details_that_cannot_be_kept(hcp: Hcp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").write_text("in the way")
    monkeypatch.setattr(config, "variables", raising(RuntimeError("boom")))
    ended = hcp("preflight")
    assert ended.code == 2
    assert re.fullmatch(
        r"hcp-dr: An unexpected error .* The details could not be saved \((Not a directory|File exists)\); "
        r"the error came from hcp_dr/commands/environment\.py, line \d+\.\n",
        ended.err,
    )


def test_a_net_that_tears(hcp: Hcp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "variables", raising(RuntimeError("boom")))
    for part in ("_format_details", "_location"):
        monkeypatch.setattr(unforeseen, part, raising(MemoryError()))
    ended = hcp("preflight")
    assert ended.code == 2
    assert "Traceback" not in ended.err


def test_a_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: "same")
    monkeypatch.setattr(time, "strftime", lambda *_: "now")
    (tmp_path / "crash-now-same.txt").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        unforeseen._write_new_file(tmp_path, "text")
    assert not (tmp_path / "elsewhere").exists()


# In the middle of a command that has a journal


def toy(name: str, plan: Callable[[Any], Decision]) -> Step[Any]:
    return Step(name, "-", lambda _ports, _case, memory: memory, plan)


def done(_: Any) -> Decision:
    return Done("done")


SECRET = "Illegal header value b'Bearer sha256~abcdef' for https://s3/k?X-Amz-Signature=0123abcd"


@pytest.fixture
def broken(connected: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A backup whose second step meets what nobody foresaw."""
    breaking = toy("backup.two", raising(RuntimeError(SECRET)))
    monkeypatch.setitem(PHASES, "backup", (toy("backup.one", done), breaking))
    return connected


def holders(world: World) -> list[Any]:
    return [
        item["spec"]["holderIdentity"]
        for cluster in (world.source, world.destination)
        for item in cluster.objects.values()
        if item["kind"] == LEASE.kind
    ]


def test_in_the_middle_the_journal_says_so_and_resume_goes_on(
    hcp: Hcp, broken: World, folder: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = hcp("backup", "--yes")
    assert ended.code == 2
    assert ended.paragraph.startswith(
        "An unexpected error ended this command (RuntimeError); this is a bug in hcp-dr. Completed actions stay in "
        f"effect; backup and journal are in {folder}. Continue with "
        f"`hcp-dr resume --backup {folder}`. The details are in {folder}/crash-"
    )
    assert "in backup_two" not in ended.err
    assert not state.exists()
    kept = details(folder)
    assert "RuntimeError" in kept
    assert "sha256~abcdef" not in kept
    assert "0123abcd" not in kept
    assert holders(broken) == ["", ""]
    told = json.loads(hcp("status", "-o", "json").out)
    assert (told["state"], told["step"]) == ("unfinished", "backup.two")
    assert told["last_error"].startswith("An unforeseen error ended the command (RuntimeError). ")
    [mirrored] = [body for key, body in broken.bucket.bodies.items() if key.endswith(journal.FILE_NAME)]
    assert b"An unforeseen error ended the command" in mirrored
    assert b"sha256~abcdef" not in mirrored

    monkeypatch.setitem(PHASES, "backup", (toy("backup.one", done), toy("backup.two", done)))
    assert hcp("resume", "--backup", str(folder)).code == 0


def test_in_a_hand(hcp: Hcp, connected: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The actions of a batch go out at a time; the one that broke is told, not those that were not begun any more."""
    many = Do(tuple(Protect(f"i-{number}", on=True) for number in range(40)))
    monkeypatch.setitem(PHASES, "backup", (toy("backup.one", lambda _: many),))
    monkeypatch.setattr(connected.instances, "protect", raising(ZeroDivisionError("i-0")))
    ended = hcp("backup", "--yes")
    assert ended.code == 2
    assert "(ZeroDivisionError)" in ended.paragraph
    assert "ZeroDivisionError: i-0" in details(folder)
    assert holders(connected) == ["", ""]


def test_a_full_disk_on_top_of_it(hcp: Hcp, broken: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert broken
    opening = os.open

    def full(path: Any, *rest: Any, **more: Any) -> int:
        if "crash-" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        return opening(path, *rest, **more)

    monkeypatch.setattr(os, "open", full)
    ended = hcp("backup", "--yes")
    assert ended.code == 2
    assert "Continue with `hcp-dr resume --backup " in ended.paragraph
    assert (
        "The details could not be saved (No space left on device); the error came from hcp_dr/engine/"
        in ended.paragraph
    )


def test_an_interruption_that_no_handler_caught(
    hcp: Hcp, connected: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connected
    monkeypatch.setitem(PHASES, "backup", (toy("backup.one", raising(KeyboardInterrupt())),))
    ended = hcp("backup", "--yes")
    assert ended.code == 130
    assert ended.paragraph.startswith("Interrupted by SIGINT. Completed actions stay in effect")
    assert ended.paragraph.endswith(f"Continue with `hcp-dr resume --backup {folder}`.")
    assert list(folder.glob("crash-*")) == []


def test_after_all_was_done(hcp: Hcp, connected: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert connected
    monkeypatch.setitem(PHASES, "backup", (toy("backup.one", done),))
    monkeypatch.setattr(outcome, "to_text", raising(KeyError("steps")))
    ended = hcp("backup", "--yes")
    assert ended.code == 2
    assert (
        f"According to the journal in {folder}, its backup has ended; no further action was started. "
        f"To see the completed steps: `hcp-dr report --backup {folder}`. The details are in {folder}/crash-"
    ) in ended.paragraph
    assert (folder / "report.txt").exists()
    assert hcp("report", "--backup", str(folder)).code == 0


def test_a_journal_that_breaks_whoever_reads_it(hcp: Hcp, broken: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert broken
    assert hcp("backup", "--yes").code == 2
    monkeypatch.setattr(journal, "parse", raising(RuntimeError("boom")))
    ended = hcp("resume")
    assert ended.code == 2
    assert "Traceback" not in ended.err


# What is printed, and nobody reads


def spawned(*words: str, environment: dict[str, str], **streams: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PROGRAM), *words],
        env={"PATH": "/usr/bin:/bin", **environment},
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
        **streams,
    )


@pytest.mark.parametrize("words", [("rbac", "-o", "yaml"), ("rbac",), ("--help",)], ids=" ".join)
def test_a_closed_pipe(environment: dict[str, str], words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        ended = spawned(*words, environment=environment, stdout=gone)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, "")


def test_a_disk_that_is_full(environment: dict[str, str], tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        ended = spawned("rbac", "iam", environment={**environment, "XDG_STATE_HOME": str(tmp_path)}, stdout=full)
    assert ended.returncode == 2
    assert ended.stderr.startswith(
        "hcp-dr: The output cannot be written (No space left on device). Nothing of the hosted cluster was changed"
    )
    assert list(tmp_path.glob("hcp-dr/*")) == []


class Gone(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_progress_that_nobody_reads_stops_nothing(
    hcp: Hcp, connected: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connected
    monkeypatch.setitem(PHASES, "backup", (toy("backup.one", done),))
    monkeypatch.setattr(sys, "stderr", Gone())
    assert hcp("backup", "--yes", "-o", "json").code == 0
    told = journal.read(folder)
    assert told is not None
    assert told.ended


def test_an_error_that_nobody_reads_keeps_its_code(hcp: Hcp, environment: dict[str, str]) -> None:
    ended: Ended = hcp("preflight", "--env-file", "/no/file")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [str(PROGRAM), "preflight", "--env-file", "/no/file"], env=environment, stderr=full, timeout=60, check=False
        )
    assert ended.code == done.returncode == 3
