"""Each test of the contract runs with the part in memory (`make test`) and with the real part (`make test-region`)."""

from __future__ import annotations

import pytest

from hcp_dr_lab.standin.install import install
from hcp_dr_lab.tabletop.kubernetes import ApiServer, Client, Store

SIDES = (pytest.param("memory", marks=pytest.mark.in_memory), pytest.param("real", marks=pytest.mark.real_parts))


@pytest.fixture(scope="session")
def prepared() -> Store:
    """With the rehearsal's kinds installed, as the real control plane has them."""
    server = ApiServer(Store())
    install(Client(lambda: server, "contract", "https://memory"))
    return server.store
