"""HTTPS to one API server: trust, credentials, proxy, timeouts, connections. Requests are not retried.

The only exception is a request that the server refused with 401: it had no effect, and is sent again with renewed
credentials.
"""

from __future__ import annotations

import json
import os
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from hcp_dr.kube.credentials import Credential, Credentials
from hcp_dr.kube.fields import UnusableError
from hcp_dr.kube.kubeconfig import Access
from hcp_dr.kube.limits import MAX_ERROR_BYTES, chunks_of, limit_client, within
from hcp_dr.kube.mapping import AnswerError
from hcp_dr.limits import RESPONSE_SECONDS, Limit

USER_AGENT = "hcp-dr"
_HEADERS_OF_ERRORS = ("Retry-After", "Audit-Id")
IDLE_SECONDS = 60.0  # shorter than the idle timeout of load balancers, which drop connections silently
CONNECTIONS = httpx2.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=IDLE_SECONDS)
"""No limit on connections: when TLS fails behind a proxy, as during an outage of the API, the pool counts the
connection as in use for good, and a limited pool would run empty. The engine's threads are the limit."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """Timeouts: for the connection, for a small response as a whole, and for a watch to end after its time."""

    connect: float = 5.0
    response: float = RESPONSE_SECONDS
    grace: float = 10.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `path` begins with a slash; `body` is sent as JSON."""

    method: str
    path: str
    parameters: Sequence[tuple[str, str]] = ()
    body: object = None
    content_type: str = "application/json"
    headers: Mapping[str, str] | None = None
    seconds: float | None = None  # for the response as a whole, instead of `Seconds.response`


class Transport:
    """Thread-safe."""

    def __init__(self, access: Access, seconds: Seconds | None = None) -> None:
        self.access = access
        self.seconds = seconds or Seconds()
        self._credentials = Credentials(access.user)
        self._lock = threading.Lock()
        self._clients: dict[str | None, httpx2.Client] = {}
        self._client(Credential(None, access.user.certificate, access.user.key))  # report unusable settings at once

    def limit_of(self, call: Call) -> Limit:
        return Limit(call.seconds or self.seconds.response)

    def request(self, call: Call, limit: Limit | None = None) -> dict[str, Any]:
        """The JSON of the response. Raises the errors that hcp_dr.kube.mapping translates."""
        limit = limit or self.limit_of(call)
        with self.stream(call, limit) as response:
            return parse(b"".join(chunks_of(response, limit)))

    @contextmanager
    def stream(self, call: Call, limit: Limit | None = None) -> Iterator[httpx2.Response]:
        """The response, with its status checked and its body unread. Status 101 is a success."""
        limit = limit or self.limit_of(call)
        credential = self._credentials.current()
        response = self._send(call, credential, limit)
        try:
            if response.status_code == 401 and (renewed := self._credentials.renewed(credential)) is not None:
                response.close()
                response = self._send(call, renewed, limit)
            if response.status_code != 101 and not response.is_success:
                raise _error_of(response, limit)
            yield response
        finally:
            response.close()

    def close(self) -> None:
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _send(self, call: Call, credential: Credential, limit: Limit) -> httpx2.Response:
        client = self._client(credential)
        headers = [*self.access.user.impersonation, *(call.headers or {}).items()]
        if credential.authorization:
            headers.append(("Authorization", credential.authorization))
        content = None
        if call.body is not None:
            content = json.dumps(call.body, ensure_ascii=False, separators=(",", ":")).encode()
            headers.append(("Content-Type", call.content_type))
        name = self.access.tls_server_name
        request = client.build_request(
            call.method,
            self.access.server + call.path,
            params=list(call.parameters) or None,
            content=content,
            headers=headers,
            timeout=httpx2.Timeout(call.seconds or self.seconds.response, connect=self.seconds.connect),
            extensions={"sni_hostname": name} if name else None,
        )
        with within(limit):
            return client.send(request, stream=True)

    def _client(self, credential: Credential) -> httpx2.Client:
        """The client whose connections use this certificate; a renewed certificate gets a new client."""
        with self._lock:
            client = self._clients.get(credential.certificate)
            if client is None:
                client = self._clients[credential.certificate] = self._new_client(ssl_context(self.access, credential))
            return client

    def _new_client(self, context: ssl.SSLContext) -> httpx2.Client:
        """Raises UnusableError."""
        try:
            client = httpx2.Client(
                verify=context,
                proxy=self.access.proxy_url,
                headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
                limits=CONNECTIONS,
            )
            limit_client(client)
        except (ImportError, ValueError, httpx2.InvalidURL):  # their text may quote a password
            setting = "its proxy-url" if self.access.proxy_url else "HTTPS_PROXY, HTTP_PROXY or ALL_PROXY"
            raise UnusableError(
                f"{setting} names a proxy that is not http or https, or has a port that is not a number"
            ) from None
        return client


def _error_of(response: httpx2.Response, limit: Limit) -> httpx2.HTTPStatusError:
    """The error of a refused request, with the beginning of its body, if the body can be read."""
    body = bytearray()
    try:
        for chunk in chunks_of(response, limit):
            body += chunk
            if len(body) > MAX_ERROR_BYTES:
                break
    except (httpx2.HTTPError, httpx2.StreamError, AnswerError):
        body.clear()
    headers = {name: response.headers[name] for name in _HEADERS_OF_ERRORS if name in response.headers}
    read = httpx2.Response(response.status_code, headers=headers, content=bytes(body), request=response.request)
    return httpx2.HTTPStatusError(f"HTTP {response.status_code}", request=response.request, response=read)


def parse(text: bytes | bytearray) -> dict[str, Any]:
    """A JSON object. Raises AnswerError."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # the error's text quotes the response
        raise AnswerError("the response is not JSON") from None
    if not isinstance(value, dict):
        raise AnswerError("the response is not a JSON object")
    return value


def ssl_context(access: Access, credential: Credential) -> ssl.SSLContext:
    """Raises UnusableError if a certificate is not PEM or does not match its key."""
    try:
        context = ssl.create_default_context(cadata=access.certificate_authority)
    except ssl.SSLError as error:
        raise UnusableError(f"its certificate authority is not valid ({error.reason or error})") from error
    # Kubernetes' own certificate authorities lack extensions that newer versions of Python require in strict mode.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if credential.certificate and credential.key:
        try:
            with _as_file(f"{credential.certificate}\n{credential.key}") as file:
                context.load_cert_chain(file, password=_no_password)
        except (ssl.SSLError, ValueError) as error:
            reason = getattr(error, "reason", None) or "not PEM"
            raise UnusableError(f"its client certificate and key cannot be used ({reason})") from error
    return context


def _no_password() -> str:
    """Keeps OpenSSL from prompting on the terminal."""
    return ""


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """A path with the text: in memory if the system supports it, because keys should not be written to a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("client")
        try:
            os.write(descriptor, text.encode())
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "client.pem")
        path.touch(mode=0o600)
        path.write_text(text, encoding="ascii")
        yield str(path)
