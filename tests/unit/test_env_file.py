"""The file of --env-file, by the table of env_files.yaml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from hcp_dr import config
from hcp_dr.errors import SettingsError

CASES = yaml.safe_load(Path(__file__).with_name("env_files.yaml").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_by_the_table(case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    file = tmp_path / "env"
    file.write_bytes(case["text"].encode())
    environment = {"HOME": "/home/ada", "USER": "ada", **case.get("environment", {})}
    if "values" in case:
        assert config.variables(file, environment) == case["values"]
        return
    with pytest.raises(SettingsError) as caught:
        config.variables(file, environment)
    assert caught.value.what.startswith(case["told"].replace("FILE", str(file), 1))
    assert "hidden" not in caught.value.paragraph()
    assert caught.value.next.endswith("run the command again.")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"A" * (1 << 20), "it is larger than 64 KiB"),
        (b"".join(b"K%d=v\n" % n for n in range(200_000)), "it is larger than 64 KiB"),
        ("BUCKET_NAME=a\n".encode("utf-16"), "its byte 1 is not UTF-8"),
        (b"BUCKET_NAME=\xff\n", "its byte 13 is not UTF-8"),
    ],
    ids=["one long line", "many lines", "UTF-16", "bytes"],
)
def test_what_is_no_text_of_a_usual_size(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "env").write_bytes(content)
    with pytest.raises(SettingsError, match=told):
        config.variables(tmp_path / "env", {})


def test_many_lines_within_the_limit_are_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("".join(f"K{n}=$HOME\n" for n in range(4_000)) + "BUCKET_NAME=a\n")
    assert config.variables(tmp_path / "env", {"HOME": "/"}) == {"BUCKET_NAME": "a"}


def test_no_terminal_and_no_pipe_without_a_writer_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hcp_dr.inputs.FILE_SECONDS", 0.05)
    os.mkfifo(tmp_path / "env")
    with pytest.raises(SettingsError, match="it is a pipe that was not written and closed in time"):
        config.variables(tmp_path / "env", {})
