"""What several files of the tabletop ask for by name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from hcp_dr.engine import remote_state, side_by_side
from hcp_dr.engine.step import Timeout
from hcp_dr.hypershift import timeouts
from hcp_dr_lab.tabletop import gate


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other relocations that have an operator stopped are awaited for a minute: in the test they do not go on."""
    for name in ("OPERATOR_SHARED", "OPERATOR_FREE"):
        monkeypatch.setattr(timeouts, name, Timeout(60.0, "", ""))


@pytest.fixture
def nested(monkeypatch: pytest.MonkeyPatch) -> None:
    """One command acts while a request of the other is on its way; only one of them runs at any time."""
    monkeypatch.setattr(gate, "_LOCK", nullcontext())
    for module in (remote_state, side_by_side):
        monkeypatch.setattr(module, "ThreadPoolExecutor", lambda _: ThreadPoolExecutor(1))
