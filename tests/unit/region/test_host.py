"""What a region changes on its host is put back by whichever region goes last."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcp_dr_lab.region.host import allow_watches, restore_watches


@pytest.fixture
def setting(tmp_path: Path) -> Path:
    file = tmp_path / "max_user_instances"
    file.write_text("128\n")
    return file


def silent(_: str) -> None:
    """Nobody listens."""


def region(base: Path, name: str) -> Path:
    file = base / name / "region.json"
    file.parent.mkdir()
    file.touch()
    return file


def test_the_limit_comes_back_with_the_last_region(tmp_path: Path, setting: Path) -> None:
    base = tmp_path / "regions"
    base.mkdir()
    told: list[str] = []
    one, two = region(base, "one"), region(base, "two")
    allow_watches(base, told.append, setting)
    allow_watches(base, told.append, setting)
    assert setting.read_text() == "1024"
    assert len(told) == 1
    one.unlink()
    restore_watches(base, silent, setting)
    assert setting.read_text() == "1024"
    two.unlink()
    restore_watches(base, silent, setting)
    assert setting.read_text() == "128"
    assert not (base / ".inotify").exists()


def test_a_limit_that_somebody_else_set_is_theirs(tmp_path: Path, setting: Path) -> None:
    base = tmp_path / "regions"
    allow_watches(base, silent, setting)
    setting.write_text("8192")
    restore_watches(base, silent, setting)
    assert setting.read_text() == "8192"


def test_a_limit_that_is_high_enough_is_left_alone(tmp_path: Path, setting: Path) -> None:
    setting.write_text("2048")
    allow_watches(tmp_path, silent, setting)
    restore_watches(tmp_path, silent, setting)
    assert setting.read_text() == "2048"
