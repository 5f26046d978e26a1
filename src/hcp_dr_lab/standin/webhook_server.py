"""The operator's webhooks over HTTPS: one server per management cluster, running only while the operator runs."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hcp_dr_lab.ground.layout import Layout, ManagementCluster
from hcp_dr_lab.ground.network.serving import server_context
from hcp_dr_lab.standin import webhooks

_LOG = logging.getLogger(__name__)
_PORT = 9443


def address(layout: Layout, cluster: ManagementCluster) -> webhooks.Address:
    return webhooks.Address(f"https://{cluster.api_address}:{_PORT}", layout.ca_file.read_bytes())


class WebhookServer:
    """`serve` is called periodically with the desired state. When the server stops, persistent connections are
    closed."""

    def __init__(self, layout: Layout, cluster: ManagementCluster) -> None:
        self._context = server_context(layout, f"{cluster.name}-webhook", dns=(), addresses=(cluster.api_address,))
        self._address = cluster.api_address
        self._server: _Server | None = None

    def serve(self, *, wanted: bool) -> None:
        if wanted and self._server is None:
            try:
                self._server = _Server(self._address, self._context)
            except OSError as error:  # the port of the previous server may still be in use
                _LOG.warning("webhooks cannot be served yet: %s", error)
                return
            threading.Thread(target=self._server.serve_forever, name="webhooks", daemon=True).start()
            _LOG.info("webhooks: served")
        elif not wanted and self._server is not None:
            self._server.end()
            self._server = None
            _LOG.info("webhooks: STOPPED with their operator")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, context: ssl.SSLContext) -> None:
        super().__init__((host, _PORT), _Handler)
        self._context = context
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Perform the handshake in the connection's thread, so that a stalled handshake does not block others."""
        request.settimeout(60)
        with contextlib.suppress(OSError), self._context.wrap_socket(request, server_side=True) as secured:
            self._open.add(secured)
            try:
                super().finish_request(secured, client_address)
            finally:
                self._open.discard(secured)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        with contextlib.suppress(OSError):
            super().shutdown_request(request)

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.dumps(webhooks.answer(json.loads(content))).encode()
        except (ValueError, KeyError) as error:
            self.send_error(400, str(error))
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Requests are not logged."""
