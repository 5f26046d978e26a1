"""Single HTTPS requests to a hosted cluster's API with a client certificate, each on a connection of its own.

An HTTP library would keep connections and try again behind our back, and both would hide what is measured here.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from hcp_dr.kube.kubeconfig import read
from hcp_dr_lab.region.pki import write_secret


@dataclass(frozen=True, slots=True)
class Answer:
    """`status` is 0 when there was none; `detail` says why, or what the server said of a refusal."""

    status: int
    body: bytes
    detail: str = ""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        return json.loads(self.body)


class _Connection(http.client.HTTPSConnection):
    """TLS for `host`, from an address that may be another than the one its name gives."""

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
    """One hosted API by the name in its kubeconfig, or at an address while still asking for that name."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        """`folder` takes the kubeconfig's certificate and key, and a copy of the kubeconfig without proxy."""
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
        """Never raises: no answer is an answer too. `at` goes to that address and port instead of to the name."""
        address, port = at or (self.host, self.port)
        connection = _Connection(self.host, port, address=address, context=self._context, timeout=timeout)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            connection.request(
                method, path, body=None if body is None else json.dumps(body), headers={"Content-Type": kind}
            )
            response = connection.getresponse()
            content = response.read()
            detail = "" if response.status < 300 else content[:200].decode(errors="replace")
            return Answer(response.status, content, detail)
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, b"", f"{type(error).__name__}: {error}")
        finally:
            connection.close()
