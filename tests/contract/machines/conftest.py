"""Each test runs on both sides. The real one is skipped unless it is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hcp_dr_lab.tabletop.kubernetes import Store
from tests.contract.conftest import SIDES
from tests.contract.machines import real, sides


@pytest.fixture(scope="session")
def controllers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Controllers]:
    with real.controllers(tmp_path_factory.mktemp("controllers")) as found:
        yield found


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest, prepared: Store) -> Iterator[sides.Side]:
    if request.param == "memory":
        yield sides.Memory(prepared)
        return
    found = sides.Real(request.getfixturevalue("controllers"))
    try:
        yield found
    finally:
        found.close()
