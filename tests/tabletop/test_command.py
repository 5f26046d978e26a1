"""`hcp-dr-lab drill --tabletop`, as any user calls it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from hcp_dr_lab.observer import evidence
from hcp_dr_lab.observer.judge import judge

PROGRAM = Path(sys.executable).with_name("hcp-dr-lab")


def drill(state: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"XDG_STATE_HOME": str(state), "PATH": "/usr/bin:/bin"}
    command = (str(PROGRAM), "drill", "--tabletop", *words)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_its_result_for_machines_and_all_that_it_wrote(tmp_path: Path) -> None:
    ended = drill(tmp_path, "-o", "json")
    told = json.loads(ended.stdout)
    assert ended.returncode == 0
    assert (told["result"], told["region"], told["reasons"]) == ("passed", "tabletop", [])
    assert told["writes"]["lost"] == 0
    assert [phase["name"] for phase in told["phases"]] == ["backup", "restore", "verify", "teardown", "finish"]
    backup, seen = Path(told["backup_dir"]), Path(told["evidence_dir"])
    assert (backup / "journal.jsonl").is_file()
    assert backup.stat().st_mode & 0o777 == 0o700
    assert judge(evidence.load(seen)).reasons == ()


def test_it_says_that_it_simulates_and_where_everything_is(tmp_path: Path) -> None:
    ended = drill(tmp_path, "--shape", "etcd-3.6")
    assert ended.returncode == 0
    assert "simulated" in ended.stdout
    assert str(tmp_path) in ended.stdout.splitlines()[-1]


def test_a_region_to_keep_is_not_to_be_had_there(tmp_path: Path) -> None:
    ended = drill(tmp_path, "--keep")
    assert ended.returncode == 8
    assert "Nothing was started" in ended.stderr
    assert list(tmp_path.iterdir()) == []
