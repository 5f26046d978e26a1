"""One certificate authority for the run, one server for each test, kubeconfigs that point at it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from hcp_dr.kube import kubeconfig
from hcp_dr.kube.client import Cluster
from hcp_dr.kube.transport import Seconds, Transport
from tests.unit.kube.api_server import Authority, Server


class Write(Protocol):
    """Writes a kubeconfig; keyword values go into its cluster, `user` is its user."""

    def __call__(self, user: dict[str, Any] | None = None, **cluster: object) -> Path: ...


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority("unit-tests")


@pytest.fixture(autouse=True)
def _no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Iterator[Server]:
    """Its certificate is for 127.0.0.1 and api.example."""
    running = Server(authority.issue("server", "127.0.0.1", "api.example"), authority.certificate, tmp_path)
    yield running
    running.stop()


@pytest.fixture
def write(server: Server, authority: Authority, tmp_path: Path) -> Write:
    def written(user: dict[str, Any] | None = None, **cluster: object) -> Path:
        place = {
            "server": f"https://127.0.0.1:{server.port}",
            "certificate-authority-data": base64.b64encode(authority.certificate.encode()).decode(),
            **{key.replace("_", "-"): value for key, value in cluster.items()},
        }
        file = tmp_path / "kubeconfig"
        document = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "it", "user": "me"}}],
            "clusters": [{"name": "it", "cluster": {key: value for key, value in place.items() if value is not None}}],
            "users": [{"name": "me", "user": user or {}}],
        }
        file.write_text(json.dumps(document))
        return file

    return written


@pytest.fixture
def open_cluster() -> Iterator[Callable[[Path], Cluster]]:
    """A cluster with short time limits."""
    opened: list[Cluster] = []

    def by_file(file: Path) -> Cluster:
        cluster = Cluster("source", Transport(kubeconfig.read(file), Seconds(connect=1, response=0.6, grace=-0.8)))
        opened.append(cluster)
        return cluster

    yield by_file
    for cluster in opened:
        cluster.close()


@pytest.fixture
def cluster(write: Write, open_cluster: Callable[[Path], Cluster]) -> Cluster:
    return open_cluster(write({"token": "secret-token"}))
