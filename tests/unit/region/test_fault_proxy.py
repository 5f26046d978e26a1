"""The fault proxy between a client and a server on loopback: what is not struck goes through, the rest is struck."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hcp_dr_lab.ground.layout import Layout
from hcp_dr_lab.ground.pki import CertificateAuthority
from hcp_dr_lab.region.faults import Fault, Kind
from hcp_dr_lab.region.network import interception
from hcp_dr_lab.region.network.fault_control import order
from hcp_dr_lab.region.network.interception import Interception, Place, opened
from hcp_dr_lab.region.network.keyring import Authorities, Identity, Keyring
from hcp_dr_lab.region.network.relay import listen

TARGET = "mgmt-1/api"
NAME = "api.example"


class Server(BaseHTTPRequestHandler):
    """Says who asks, echoes bodies, streams watches, and upgrades."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade"):
            self.send_response(101)
            self.send_header("Connection", "Upgrade")
            self.send_header("Upgrade", "websocket")
            self.end_headers()
            self.wfile.write(b"<" + self.rfile.read(5) + b">")
            self.close_connection = True
        elif "watch=1" in self.path:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"6\r\nevent\n\r\n")
                    time.sleep(0.02)
        else:
            self._answer(self._who() + b"|" + (self.headers["Host"] or "").encode())

    def do_PUT(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _who(self) -> bytes:
        assert isinstance(self.connection, ssl.SSLSocket)
        identity = Identity.of(self.connection.getpeercert(binary_form=True))
        return repr((identity.user, identity.groups) if identity else None).encode()

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives
        """Nothing."""


@dataclass
class Proxied:
    """`port` is the proxy's, `authority` that of the server and its clients."""

    port: int
    interception: Interception
    authority: CertificateAuthority
    folder: Path

    def client(self, user: str = "") -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cadata=self.authority.cert_pem.decode())
        context.check_hostname = False
        if user:
            self.authority.issue(user, organizations=("b", "a"), client=True).write(self.folder / user)
            context.load_cert_chain(self.folder / f"{user}.crt", self.folder / f"{user}.key")
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=10)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        with contextlib.closing(self.client()) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def set(self, kind: Kind, **fields: Any) -> int:
        return self.interception.exchanges.set(Fault(TARGET, kind, **fields))


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("proxy")
    authority = CertificateAuthority.create("authority")
    authority.issue(NAME, dns=(NAME,), server=True).write(folder / "server")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    context.load_verify_locations(cadata=authority.cert_pem.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    keyring = Keyring(NAME, Authorities(authority.pair, authority.cert_pem), folder / "keys", (NAME,))
    made = Interception(Layout("test", 0, folder))
    place = Place("127.0.0.1", server.server_address[1])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    loop: Future[asyncio.AbstractEventLoop] = Future()

    async def handle(client: socket.socket) -> None:
        await made.carry(TARGET, keyring, place, client, await opened(place))

    async def serve() -> None:
        task = await listen("127.0.0.1", port, handle)
        loop.set_result(asyncio.get_running_loop())
        with contextlib.suppress(asyncio.CancelledError):
            await task

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    running = loop.result(10)
    yield Proxied(port, made, authority, folder)
    running.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks()])
    thread.join(10)
    server.shutdown()
    server.server_close()


@pytest.fixture
def proxied(standing: Proxied) -> Proxied:
    standing.interception.exchanges.faults.clear()
    return standing


def test_the_server_sees_the_same_user_groups_and_host(proxied: Proxied) -> None:
    for user, said in (("", b"None"), ("alice", b"('alice', ('a', 'b'))"), ("bob", b"('bob', ('a', 'b'))")):
        with contextlib.closing(proxied.client(user)) as connection:
            for _ in range(2):
                connection.request("GET", "/", headers={"Host": "signed.example:7070"})
                assert connection.getresponse().read() == said + b"|signed.example:7070"


def test_bodies_go_through_whole(proxied: Proxied) -> None:
    body = bytes(range(256)) * 5000
    assert proxied.ask("PUT", "/", body) == (200, body)


def test_what_follows_an_upgrade_goes_through(proxied: Proxied) -> None:
    assert upgraded(proxied) == b"<hello>"


def test_a_status_is_answered_in_the_servers_place_and_the_connection_lasts(proxied: Proxied) -> None:
    proxied.set(Kind.STATUS, status=429, retry_after=2, match="PUT", times=1)
    with contextlib.closing(proxied.client()) as connection:
        connection.request("PUT", "/", b"lost")
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.headers["Retry-After"]) == (429, "2")
        connection.request("PUT", "/", b"kept")
        assert connection.getresponse().read() == b"kept"


def test_a_delay_is_waited_for(proxied: Proxied) -> None:
    proxied.set(Kind.DELAY, seconds=0.2)
    began = time.monotonic()
    assert proxied.ask("PUT", "/", b"late") == (200, b"late")
    assert time.monotonic() - began >= 0.2


def test_a_cut_breaks_off_in_the_middle(proxied: Proxied) -> None:
    proxied.set(Kind.CUT, times=1)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError, ssl.SSLError)):
        proxied.ask("PUT", "/", b"x" * 1000)
    assert proxied.ask("PUT", "/", b"x" * 1000) == (200, b"x" * 1000)


def test_a_cut_breaks_off_after_an_upgrade(proxied: Proxied) -> None:
    proxied.set(Kind.CUT, times=1)
    with contextlib.suppress(ConnectionResetError, ssl.SSLError):
        assert upgraded(proxied) in {b"<he", b""}


def test_open_watches_are_dropped_at_once_and_new_ones_after_a_while(proxied: Proxied) -> None:
    with contextlib.closing(proxied.client()) as connection:
        connection.request("GET", "/api/v1/pods?watch=1")
        answer = connection.getresponse()
        assert answer.read(6) == b"event\n"
        proxied.set(Kind.DROP_WATCHES, seconds=0.1)
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError, ssl.SSLError)):
            answer.read()
    began = time.monotonic()
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError, ssl.SSLError)):
        proxied.ask("GET", "/api/v1/pods?watch=1")
    assert time.monotonic() - began >= 0.1


def test_a_watch_from_a_version_is_told_that_it_is_too_old(proxied: Proxied) -> None:
    proxied.set(Kind.GONE, times=1)
    status, body = proxied.ask("GET", "/api/v1/pods?watch=1&resourceVersion=5")
    assert (status, b'"code": 410' in body) == (200, True)


def test_a_server_of_another_authority_is_passed_on_and_the_client_sees_it(
    proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = CertificateAuthority.create("another")
    wrong = Keyring(NAME, Authorities(other.pair, other.cert_pem), proxied.folder / "keys", (NAME,))
    carry = Interception.carry

    async def with_wrong(self: Interception, target: str, _: Keyring, *rest: Any) -> None:
        await carry(self, target, wrong, *rest)

    monkeypatch.setattr(interception.Interception, "carry", with_wrong)
    proxied.set(Kind.STATUS, status=500)
    assert proxied.ask("PUT", "/", b"untouched") == (200, b"untouched")


def test_orders_and_their_refusals(proxied: Proxied) -> None:
    exchanges, known = proxied.interception.exchanges, ("s3", TARGET)
    status, told = order(exchanges, known, "POST", "/faults", b'{"target": "s3", "kind": "cut", "times": 2}')
    assert status == 200
    status, listed = order(exchanges, known, "GET", "/faults", b"")
    assert [row["words"] for row in listed["faults"]] == ["cut in the middle of the answer"]
    assert order(exchanges, known, "DELETE", f"/faults?which={told['number']}", b"") == (
        200,
        {"cleared": [told["number"]]},
    )
    for body, said in ((b"{", "not JSON"), (b"[]", "a JSON object"), (b'{"kind": "cut"}', "not a valid fault")):
        status, told = order(exchanges, known, "POST", "/faults", body)
        assert status == 400
        assert said in told["error"]
    assert order(exchanges, known, "GET", "/other", b"")[0] == 404


def upgraded(proxied: Proxied) -> bytes:
    with contextlib.closing(proxied.client()) as connection:
        connection.request("GET", "/exec", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
        answer = connection.getresponse()
        assert answer.status == 101
        sock = connection.sock
        sock.sendall(b"hello")
        said = b""
        while len(said) < 7 and (more := sock.recv(100)):
            said += more
        return said
