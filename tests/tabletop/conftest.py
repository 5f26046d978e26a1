"""What several files of the tabletop ask for by name."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from hcp_dr_lab.tabletop import gate


@pytest.fixture
def nested(monkeypatch: pytest.MonkeyPatch) -> None:
    """One command acts while a request of the other is on its way; only one of them runs at any time."""
    monkeypatch.setattr(gate, "_LOCK", nullcontext())
