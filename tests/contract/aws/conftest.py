"""Each test runs on both sides. S3's real one is skipped where versitygw is not built and nobody insists."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.loaders import create_loader

from tests.contract.aws import real, sides
from tests.contract.conftest import SIDES

LOADER = create_loader()


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the settings of whoever runs the tests; and the descriptions of services are read once."""
    for name in ("AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("botocore.session.create_loader", lambda _: LOADER)


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Simulator]:
    with real.simulator(tmp_path_factory.mktemp("simulator")) as found:
        yield found


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with real.gateway(tmp_path_factory.mktemp("gateway")) as found:
        yield found


@pytest.fixture(params=SIDES)
def storing(request: pytest.FixtureRequest) -> sides.Storing:
    if request.param == "memory":
        return sides.MemoryStoring()
    return sides.RealStoring(request.getfixturevalue("gateway"))


@pytest.fixture(params=SIDES)
def naming(request: pytest.FixtureRequest) -> sides.Naming:
    if request.param == "memory":
        return sides.MemoryNaming()
    return sides.RealNaming(request.getfixturevalue("simulator"))


@pytest.fixture(params=SIDES)
def computing(request: pytest.FixtureRequest) -> sides.Computing:
    if request.param == "memory":
        return sides.MemoryComputing()
    return sides.RealComputing(request.getfixturevalue("simulator"))
