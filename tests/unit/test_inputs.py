"""Files, programs and YAML of others: whatever they hold, they end in a value or in an error, soon and small."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from hcp_dr import inputs

WIDE = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
LIST_BOMB = WIDE + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9))
MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n + 1}: &a{n + 1} {{<<: [{', '.join([f'*a{n}'] * 9)}]}}\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LIST_BOMB, "its line 6 has more than 500000 values after its aliases are expanded"),
        (MERGE_BOMB, "values after its aliases are expanded"),
        ("a: &a [*a]", "its line 1 has an alias of an unknown or unfinished value"),
        ("a: *nothing", "its line 1 has an alias of an unknown or unfinished value"),
        ("[" * 100_000, "its line 1 is nested more than 100 levels deep"),
        ("- " * 100_000, "nested more than 100 levels deep"),
        ("{a: " * 5000, "nested more than 100 levels deep"),
        ("a: 1\nb: [hidden\n", "it is not YAML (line 3)"),
        ("a: 1\n---\nhidden: 2\n", "it is not YAML (line 2)"),
        ("!!python/object/apply:os.system [hidden]", "it is not YAML (line 1)"),
        ("a:\n- b: !!binary aGlkZGVu", "its value a[0].b is of a type that JSON does not have"),
        ("a: [.nan]", "its value a[0] is of a type"),
        ("!!set {hidden}", "its value as a whole is of a type"),
        ("a: {~: hidden}", "its mapping a has a key that is not text"),
        (f"a: {'9' * 5000}", "it is not YAML"),
        ("\0", "it is not YAML"),
        (b"\xff\xfe\xff", "it is not YAML"),
    ],
    ids=range(17),
)
def test_what_no_one_should_load(text: str | bytes, told: str) -> None:
    with pytest.raises(inputs.InputError) as caught:
        inputs.parse_yaml(text)
    assert told in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_yaml_is_read_as_kubernetes_reads_it() -> None:
    text = "at: 2026-01-02T03:04:05Z\nday: 2026-01-02\n2: &x {a: [1.5, true, ~]}\ntrue: *x\n"
    same = {"a": [1.5, True, None]}
    assert inputs.parse_yaml(text) == {"at": "2026-01-02T03:04:05Z", "day": "2026-01-02", "2": same, "true": same}
    assert inputs.parse_yaml("") is None


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("sleep 100", "it did not end within 0.3 s"),
        ("exec >&- 2>&-; sleep 100", "it did not end within 0.3 s"),
        ("trap '' TERM INT HUP; sleep 100 & wait", "it did not end within 0.3 s"),
        ("head -c 5000000 /dev/zero", "it printed more than 4 MiB"),
        ("head -c 5000000 /dev/zero >&2", "it printed more than 4 MiB"),
    ],
)
def test_a_program_without_end(program: str, told: str) -> None:
    with pytest.raises(OSError, match=told):
        inputs.run_program(["/bin/sh", "-c", program], seconds=0.3 if "sleep" in program else None)


def test_a_program_that_ends() -> None:
    done = inputs.run_program(["/bin/sh", "-c", 'echo "$X"; echo err >&2; exit 3'], environment={"X": "out"})
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


def test_a_child_that_outlives_the_program_is_not_waited_for() -> None:
    assert inputs.run_program(["/bin/sh", "-c", "sleep 100 & echo out"]).stdout == b"out\n"


@pytest.mark.parametrize("arguments", [["/no/such/program"], ["/"], ["a\0b"]])
def test_a_program_that_cannot_be_started(arguments: list[str]) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        inputs.run_program(arguments)
    assert caught.value.strerror


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/dev/zero", "it is larger than 1 KiB"),
        ("/proc/self/mem", "Input/output error"),
        ("/", "Is a directory"),
        ("/no/such/file", "No such file or directory"),
    ],
)
def test_what_is_no_file(path: str, told: str) -> None:
    with pytest.raises(OSError, match=told):
        inputs.read_file(Path(path), limit=1024)


def test_a_pipe_that_nobody_writes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a pipe that was not written and closed in time"):
        inputs.read_file(tmp_path / "pipe", limit=1024, seconds=0.05)


def test_a_pipe_that_is_written(tmp_path: Path) -> None:
    """As the shell makes for `<(sops -d env)`."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("content",))
    writer.start()
    assert inputs.read_file(tmp_path / "pipe", limit=1024) == b"content"
    writer.join()


def test_a_file_of_the_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1024)
    assert len(inputs.read_file(tmp_path / "file", limit=1024)) == 1024
    (tmp_path / "file").write_bytes(b"x" * 1025)
    with pytest.raises(OSError, match="larger"):
        inputs.read_file(tmp_path / "file", limit=1024)
