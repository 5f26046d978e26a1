from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest

from hcp_dr_lab.ground import layout
from hcp_dr_lab.ground.errors import LabError, NoRegion
from hcp_dr_lab.ground.layout import Layout
from hcp_dr_lab.region import host, lifecycle


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    layout.save(Layout("test", 7, lifecycle.folder("test")))
    return lifecycle.folder("test")


def name_first_process(root: Path, pid: int, started: int) -> None:
    (root / "process.json").write_text(json.dumps({"pid": pid, "started": started}), "utf-8")


def test_a_region_lives_while_its_first_process_does(root: Path) -> None:
    name_first_process(root, os.getpid(), host.started_at(os.getpid()) or 0)
    assert lifecycle.find("test") == Layout("test", 7, root)


def test_another_process_that_took_the_pid_is_not_it(root: Path) -> None:
    name_first_process(root, os.getpid(), (host.started_at(os.getpid()) or 0) - 1)
    assert lifecycle.find("test") is None


@pytest.mark.parametrize("content", ["", "{", "{}", '{"pid": 1}'])
def test_half_a_state_is_no_region(root: Path, content: str) -> None:
    (root / "process.json").write_text(content, "utf-8")
    assert lifecycle.find("test") is None


@pytest.mark.parametrize("name", ["", "..", "a/b", "-a", "A", "a" * 31])
def test_a_name_stays_inside_the_state_folder(name: str) -> None:
    with pytest.raises(LabError, match="cannot be the name of a region"):
        lifecycle.folder(name)


def test_status_of_none_says_what_to_do(root: Path) -> None:
    assert root.exists()
    with pytest.raises(NoRegion, match="hcp-dr-lab up --name test"):
        lifecycle.status("test")


def test_two_commands_do_not_change_a_region_at_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "require", lambda: None)
    with (root.parent / ".test.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LabError, match="Another command is changing the region test"):
            lifecycle.down("test", lambda _: None)
    assert root.exists()


def test_the_last_lines_of_a_part(root: Path) -> None:
    region = Layout("test", 7, root)
    region.logs.mkdir()
    (region.logs / "mgmt-1--etcd.log").write_text("".join(f"line {number}\n" for number in range(30)), "utf-8")
    assert lifecycle.log_tail(region, "mgmt-1/etcd").splitlines() == [f"line {number}" for number in range(10, 30)]
    assert lifecycle.log_tail(region, "mgmt-2/etcd") == "(the log is empty)"
