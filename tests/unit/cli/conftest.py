"""The command line as a person meets it, with adapters that lead into a world in memory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hcp_dr.aws.client import Aws
from hcp_dr.cli import main
from hcp_dr.commands import environment as opened
from tests.ports import MemoryIdentity, World
from tests.unit.test_config import WHOLE
from tests.world import relocatable


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def paragraph(self) -> str:
        """What stderr holds at its end: one paragraph of hcp-dr, and before it nothing but progress."""
        *progress, last = self.err.splitlines()
        assert [line for line in progress if not line.startswith(("> ", "  "))] == []
        assert last.startswith("hcp-dr: ")
        return last.removeprefix("hcp-dr: ")


Hcp = Callable[..., Ended]


@pytest.fixture
def world() -> World:
    return relocatable()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def environment(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The documented variables, in the environment; kubeconfigs are named that are not there."""
    for name in ("BACKUP_DIR", "HC_CLUSTER_DIR", "NODEPOOLS", "NODE_POOL_REPLICAS", "MGMT2_REGION"):
        monkeypatch.delenv(name, raising=False)
    given = {**WHOLE, "BACKUP_DIR": str(folder)}
    given |= {name: str(tmp_path / name) for name in WHOLE if name.endswith("KUBECONFIG")}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return given


@pytest.fixture
def hcp(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Hcp:
    """Runs hcp-dr with these words."""
    assert environment

    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["hcp-dr", *words])
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run


@pytest.fixture
def connected(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The adapters lead into the world."""
    aws = Aws(world.bucket, world.zone, world.instances, MemoryIdentity())
    monkeypatch.setattr(opened, "connect_kube", lambda _path, name, **_: getattr(world, name))
    monkeypatch.setattr(opened, "connect_aws", lambda _settings: aws)
    return world
