"""The folder by which an observation is ordered and followed, and from which it is judged again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import typer
from tests.unit.observer.staged import CLEAN, last_seen

from hcp_dr_lab.cli.judge import judge as judge_folder
from hcp_dr_lab.ground.errors import BadOptions
from hcp_dr_lab.observer import evidence
from hcp_dr_lab.observer.evidence import Closing, Recorder, Write
from hcp_dr_lab.observer.files import Files, Progress
from hcp_dr_lab.observer.judge import judge


def test_a_verdict_comes_back_as_it_was(tmp_path: Path) -> None:
    verdict = judge(last_seen(instances={}))
    files = Files(tmp_path)
    assert files.verdict() is None
    files.conclude(verdict)
    assert files.verdict() == verdict


def test_progress_and_order(tmp_path: Path) -> None:
    files = Files(tmp_path)
    assert files.progress().phase == "waiting"
    files.tell(Progress("watching", 12))
    assert files.progress() == Progress("watching", 12)
    assert not files.stop_ordered()
    files.order_stop()
    assert files.stop_ordered()


def test_what_was_seen_is_kept_as_lines_and_nothing_after_the_end(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    seen = Write("a", 1, 0.0, 0.1, acknowledged=True)
    recorder.add(seen)
    recorder.add(Write("b", 1, 0.0, 0.1, acknowledged=True, side="mgmt-1"))
    assert recorder.acknowledged() == 1
    closing = Closing("mgmt-1", "mgmt-2", 1.0, "", {"a": 1}, ("Namespace x",))
    closed = recorder.close(closing)
    recorder.add(seen)
    assert closed == evidence.load(tmp_path)
    assert closed.closing == closing
    assert closed.writes[0] == seen
    assert '"name":"a"' in (tmp_path / "write.jsonl").read_text()


def test_evidence_comes_back_as_it_was(tmp_path: Path) -> None:
    evidence.save(tmp_path / "new", CLEAN)
    assert evidence.load(tmp_path / "new") == CLEAN


def test_a_folder_is_judged_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = last_seen(instances={"i-1": "running"})
    evidence.save(tmp_path, seen)
    with pytest.raises(typer.Exit) as ended:
        judge_folder(tmp_path)
    assert ended.value.exit_code == 1
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps({"result": "failed"} | asdict(judge(seen))))


def test_a_folder_that_holds_no_evidence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOptions, match="no complete evidence"):
        judge_folder(tmp_path)
    (tmp_path / "closing.json").write_text("{}")
    with pytest.raises(BadOptions, match="no complete evidence"):
        judge_folder(tmp_path)
