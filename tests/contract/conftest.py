"""Each test of the contract runs with the part in memory (`make test`) and with the real part (`make test-region`)."""

from __future__ import annotations

import pytest

SIDES = (pytest.param("memory", marks=pytest.mark.in_memory), pytest.param("real", marks=pytest.mark.real_parts))
