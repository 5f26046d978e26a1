"""What `hcp-dr-lab` refuses before it starts anything, and what it shares between its commands."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hcp_dr_lab.cli import main as run
from hcp_dr_lab.cli import options
from hcp_dr_lab.cli.drill import drill
from hcp_dr_lab.cli.main import up

PROGRAM = Path(sys.executable).with_name("hcp-dr-lab")


@dataclass(frozen=True, slots=True)
class Ended:
    returncode: int | str | None
    stdout: str
    stderr: str


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs the command line to its end in this process: a process of its own takes two seconds to start."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def play(*words: str) -> Ended:
        monkeypatch.setattr("sys.argv", ["hcp-dr-lab", *words])
        with pytest.raises(SystemExit) as ended:
            run()
        said = capfd.readouterr()
        return Ended(ended.value.code, said.out, said.err)

    return play


def test_up_and_drill_take_the_same_options() -> None:
    shared = inspect.signature(options.parse_options).parameters.keys()
    for command in (up, drill):
        taken = inspect.signature(command).parameters
        assert {name: taken[name].default for name in shared} == {
            name: parameter.default for name, parameter in inspect.signature(options.parse_options).parameters.items()
        }


BAD = pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--shape", "three-members-5.0", "--shape", "etcdctl-on-3.6"), "exclude each other"),
        (("--hosted-cluster", "/nowhere.yaml"), "Cannot read"),
        (("--crds", "/nowhere"), "is not a folder"),
        (("--etcd-ballast", "500MB"), "is not a size"),
        (("--delay", "new_backend=soon"), "is not NAME=SECONDS"),
        (("--delay", "patience=5"), "is not NAME=SECONDS"),
        (("--controllers", "real", "--release", "5.0"), "needs releases that store Cluster API as v1beta2"),
    ],
)


@pytest.mark.parametrize("command", ["up", "drill"])
@BAD
def test_bad_options_are_a_paragraph_and_start_nothing(
    lab: Callable[..., Ended], tmp_path: Path, command: str, words: tuple[str, ...], said: str
) -> None:
    assert_refused(lab(command, *words), said, tmp_path)


def test_the_tabletop_has_no_real_controllers(lab: Callable[..., Ended], tmp_path: Path) -> None:
    assert_refused(lab("drill", "--tabletop", "--controllers", "real"), "needs the region", tmp_path)


@pytest.mark.parametrize("command", ["up", "drill"])
def test_the_program_says_so_too(tmp_path: Path, command: str) -> None:
    ended = subprocess.run(
        (str(PROGRAM), command, "--crds", "/nowhere"),
        env={"XDG_STATE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert_refused(Ended(ended.returncode, ended.stdout, ended.stderr), "is not a folder", tmp_path)


def assert_refused(ended: Ended, said: str, state: Path) -> None:
    assert ended.returncode == 8
    assert ended.stdout == ""
    assert ended.stderr.startswith("hcp-dr-lab: ")
    assert said in ended.stderr
    assert "Nothing was started" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert list(state.iterdir()) == []


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        ("RuntimeError('boom')", 2, "hcp-dr-lab: An unexpected error ended this command (RuntimeError)"),
        ("KeyboardInterrupt", 130, "hcp-dr-lab: Interrupted by SIGINT."),
        ("SystemExit(143)", 143, ""),
        ("SystemExit(1)", 2, "hcp-dr-lab: An unexpected error ended this command (SystemExit)"),
    ],
)
def test_what_nobody_foresaw_is_not_what_is_done(tmp_path: Path, raised: str, code: int, said: str) -> None:
    """Exit code 1 says of `status` that not all serve, and of nothing else."""
    program = (
        "import sys; from hcp_dr_lab.cli import main as run; from hcp_dr_lab.region import lifecycle\n"
        f"def down(*_):\n    raise {raised}\n"
        "lifecycle.down = down; sys.argv = ['hcp-dr-lab', 'down']; run()"
    )
    ended = subprocess.run(
        (sys.executable, "-c", program),
        env={"XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == code
    assert ended.stderr.startswith(said)
    assert len(ended.stderr.splitlines()) == (1 if said else 0)
