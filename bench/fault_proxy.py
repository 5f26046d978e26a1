"""Overhead of the fault proxy for requests without a fault: `python bench/fault_proxy.py`, on loopback, as any user.

One client, one connection, 2 kB responses over TLS: directly to the server, and through the proxy, which terminates TLS
on both sides. Also an upload of 100 MB.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import statistics
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hcp_dr_lab.ground.layout import Layout
from hcp_dr_lab.ground.pki import CertificateAuthority
from hcp_dr_lab.region.network.interception import Interception, Place, opened
from hcp_dr_lab.region.network.keyring import Authorities, Keyring
from hcp_dr_lab.region.network.relay import listen

REQUESTS = 1000
BODY = b"x" * 100_000_000
NAME = "api.example"


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        self._answer(b"x" * 2000)

    def do_PUT(self) -> None:
        remaining = int(self.headers["Content-Length"])
        while remaining:
            remaining -= len(self.rfile.read(min(remaining, 1 << 20)))
        self._answer(b"")

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Requests are not logged."""


def server(folder: Path, authority: CertificateAuthority) -> int:
    authority.issue(NAME, dns=(NAME,), server=True).write(folder / "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    context.load_verify_locations(cadata=authority.cert_pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    listener = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    listener.daemon_threads = True
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    return listener.server_address[1]


def proxy(folder: Path, authority: CertificateAuthority, port: int) -> int:
    """Start a proxy that ends with the process, and return its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        own: int = free.getsockname()[1]
    keyring = Keyring(NAME, Authorities(authority.pair, authority.cert_pem), folder / "keys", (NAME,))
    interception, place = Interception(Layout("bench", 0, folder)), Place("127.0.0.1", port)
    listening = threading.Event()

    async def handle(client: socket.socket) -> None:
        await interception.carry("mgmt-1/api", keyring, place, client, await opened(place))

    async def serve() -> None:
        task = await listen("127.0.0.1", own, handle)
        listening.set()
        await task

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    listening.wait()
    return own


def measure(name: str, port: int, context: ssl.SSLContext) -> None:
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
    times = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        connection.request("GET", "/")
        connection.getresponse().read()
        times.append((time.perf_counter() - began) * 1000)
    began = time.perf_counter()
    connection.request("PUT", "/", BODY)
    connection.getresponse().read()
    speed = len(BODY) / 1e6 / (time.perf_counter() - began)
    connection.close()
    tenth = statistics.quantiles(times, n=10)[-1]
    print(
        f"{name:9} first {times[0]:6.1f} ms  median {statistics.median(times):5.2f} ms  p90 {tenth:5.2f} ms", end="  "
    )
    print(f"upwards {speed:4.0f} MB/s")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = CertificateAuthority.create("bench")
        authority.issue("alice", organizations=("a",), client=True).write(folder / "alice")
        context = ssl.create_default_context(cadata=authority.cert_pem.decode())
        context.check_hostname = False
        context.load_cert_chain(folder / "alice.crt", folder / "alice.key")
        port = server(folder, authority)
        proxied = proxy(folder, authority, port)
        for _ in range(3):
            measure("direct", port, context)
            measure("proxied", proxied, context)


if __name__ == "__main__":
    main()
