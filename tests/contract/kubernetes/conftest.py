"""Each test runs on both sides. The real one is skipped where its programs are not built and nobody insists."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hcp_dr_lab.tabletop.kubernetes import Store
from tests.contract.conftest import SIDES
from tests.contract.kubernetes import real, sides


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.ControlPlane]:
    with real.running(tmp_path_factory.mktemp("control-plane")) as found:
        yield found


@pytest.fixture(params=SIDES)
def side(request: pytest.FixtureRequest, prepared: Store) -> Iterator[sides.Side]:
    if request.param == "memory":
        memory = sides.Memory(prepared)
        yield memory
        assert memory.server.store.tampered() == []
        return
    found = sides.Real(request.getfixturevalue("control_plane"))
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def namespace(side: sides.Side) -> str:
    return sides.new_namespace(side)
