"""Single HTTPS requests to a hosted cluster's API with a client certificate, on connections chosen by the caller.

An HTTP library would reuse connections and retry requests implicitly, and so hide failures from the observer.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from hcp_dr.kube.kubeconfig import read
from hcp_dr_lab.ground.pki import write_secret


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is 0 without an answer; `detail` is the reason, or the server's message for an error status."""

    status: int
    body: bytes
    detail: str = ""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        return json.loads(self.body)


class _Connection(http.client.HTTPSConnection):
    """A TLS connection for `host` to an explicit address instead of the resolved address."""

    def __init__(self, host: str, port: int, *, address: str, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, port, context=context, timeout=timeout)
        self._address = address
        self._tls = context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        try:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


class HostedApi:
    """One hosted API by the name in the kubeconfig, or at an explicit address with the same TLS server name."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        """`folder` is for the kubeconfig's certificate and key, and a copy of the kubeconfig without proxy."""
        access = read(kubeconfig)
        server = urlsplit(access.server)
        self.host, self.port = server.hostname or "", server.port or 443
        write_secret(folder / "client.pem", f"{access.user.certificate}\n{access.user.key}".encode())
        self._context = ssl.create_default_context(cadata=access.certificate_authority)
        self._context.load_cert_chain(folder / "client.pem")
        content = yaml.safe_load(kubeconfig.read_text())
        for entry in content["clusters"]:
            entry["cluster"].pop("proxy-url", None)
        self.kubeconfig = folder / "inside.kubeconfig"
        write_secret(self.kubeconfig, yaml.safe_dump(content).encode())

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        timeout: float,
        at: tuple[str, int] | None = None,
    ) -> Answer:
        """Send one request on a new connection. Never raises; without a response the status is 0. `at` is the address
        and port to use instead of the name."""
        connection = self._connect(at or (self.host, self.port), timeout)
        try:
            return _exchange(connection, method, path, body)
        finally:
            connection.close()

    def line(self, at: tuple[str, int], *, timeout: float) -> Line:
        """Return a persistent connection to an address."""
        return Line(lambda: self._connect(at, timeout))

    def _connect(self, at: tuple[str, int], timeout: float) -> _Connection:
        address, port = at
        return _Connection(self.host, port, address=address, context=self._context, timeout=timeout)


class Line:
    """A persistent connection, opened again after a failure. For one thread."""

    def __init__(self, connect: Callable[[], http.client.HTTPConnection]) -> None:
        self._connect = connect
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: Any = None) -> tuple[Answer, bool]:
        """Like HostedApi.ask; also return whether the connection was reused."""
        connection = self._connection
        kept = connection is not None
        if connection is None:
            connection = self._connect()
        answer = _exchange(connection, method, path, body)
        if answer.status and connection.sock is not None:  # without a socket the server closed the connection
            self._connection = connection
        else:
            connection.close()
            self._connection = None
        return answer, kept

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _exchange(connection: http.client.HTTPConnection, method: str, path: str, body: Any) -> Answer:
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    try:
        connection.request(
            method, path, body=None if body is None else json.dumps(body), headers={"Content-Type": kind}
        )
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, b"", f"{type(error).__name__}: {error}")
    detail = "" if response.status < 300 else content[:200].decode(errors="replace")
    return Answer(response.status, content, detail)
