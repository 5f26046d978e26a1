"""The folder by which an observation is ordered and followed."""

from __future__ import annotations

from pathlib import Path

from hcp_dr_lab.observer.evidence import Recorder, Write
from hcp_dr_lab.observer.files import Files, Progress
from hcp_dr_lab.observer.judge import judge


def test_a_verdict_comes_back_as_it_was(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.add(Write("a", 1, 0.0, 0.1, acknowledged=True))
    verdict = judge(
        recorder.evidence(sides=("mgmt-1", "mgmt-2"), stopped=1.0, read_back={"a": 1}, source_left=("Namespace x",))
    )
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


def test_what_was_seen_is_kept_as_lines(tmp_path: Path) -> None:
    Recorder(tmp_path).add(Write("a", 1, 0.0, 0.1, acknowledged=True))
    assert '"name":"a"' in (tmp_path / "write.jsonl").read_text()
