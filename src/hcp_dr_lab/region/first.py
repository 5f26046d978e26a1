"""The first process of the region's namespaces. When it ends, for any reason, all processes of the region end.

The process sets up the region's machine (mounts, addresses, the bridge), starts the parts, and serves the control
socket.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from hcp_dr_lab.ground import layout as addresses
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout, load
from hcp_dr_lab.ground.part import Part
from hcp_dr_lab.region import host, parts
from hcp_dr_lab.region.control import short_address
from hcp_dr_lab.region.network import fault_control
from hcp_dr_lab.region.processes import run_as_first_process
from hcp_dr_lab.region.roster import Roster
from hcp_dr_lab.region.supervisor import Supervisor

_LINK_SECONDS = 20.0


def main() -> int:
    """Report that the namespaces exist, set up the region, and serve until SIGTERM."""
    layout = load(Path(sys.argv[1]))
    tell = int(sys.argv[2])
    os.write(tell, b"1")
    os.close(tell)
    return run_as_first_process(lambda: _run(layout))


def _run(layout: Layout) -> int:
    asked_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked_to_end.set())
    _mounts(layout)
    _network(layout)
    layout.logs.mkdir(exist_ok=True)
    supervisor = Supervisor(layout.logs, os.environ)
    server = _listen(layout, supervisor)
    threading.Thread(target=server.serve_forever, name="control", daemon=True).start()
    supervisor.start_all(parts.assemble(layout))
    asked_to_end.wait()
    supervisor.stop_all()
    return 0


def _mounts(layout: Layout) -> None:
    """Give the region its own resolv.conf and its own /run."""
    _do("mount", "--make-rprivate", "/")
    _do("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    own = layout.root / "resolv.conf"
    own.write_text(f"nameserver {addresses.RESOLVER}\noptions timeout:2 attempts:2\n", "ascii")
    resolver = Path("/etc/resolv.conf").resolve()
    if not resolver.exists():  # a link into the hidden /run
        resolver.parent.mkdir(parents=True, exist_ok=True)
        resolver.touch()
    _do("mount", "--bind", str(own), str(resolver))


def _network(layout: Layout) -> None:
    """Set up the link to the host, and the bridge with all addresses of the region."""
    link = host.region_link(layout.number)
    deadline = time.monotonic() + _LINK_SECONDS
    while link not in (name for _, name in socket.if_nameindex()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the region has no link to its host after {_LINK_SECONDS:.0f} s")
        time.sleep(0.02)
    bridge = addresses.BRIDGE
    orders = [
        "link set lo up",
        *(f"address add 127.0.1.{cluster.number}/32 dev lo" for cluster in MANAGEMENT_CLUSTERS),
        f"address add {layout.region_address}/30 dev {link}",
        f"link set {link} up",
        f"link add {bridge} type bridge forward_delay 0 stp_state 0",
        f"link set {bridge} address 02:00:0a:4e:00:01 up",
        f"address add {addresses.BRIDGE_ADDRESS}/{addresses.VPC_PREFIX_LENGTH} dev {bridge}",
        *(f"address add {address}/32 dev {bridge}" for address in bridge_addresses()),
    ]
    for order in orders:
        _do("ip", *order.split())
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", "ascii")
    for setting in ("all", "default", bridge):
        Path(f"/proc/sys/net/ipv4/conf/{setting}/send_redirects").write_text("0", "ascii")


def bridge_addresses() -> tuple[str, ...]:
    """Return all addresses of the region's servers."""
    shared = (addresses.RESOLVER, addresses.ZONE_SERVER, addresses.S3_ADDRESS, addresses.AWS_ADDRESS)
    clusters = (
        (cluster.api_address, cluster.load_balancer_address, cluster.name_server_address)
        for cluster in MANAGEMENT_CLUSTERS
    )
    return (*shared, *(address for cluster in clusters for address in cluster))


class _ControlServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    supervisor: Supervisor
    roster: Roster


def _listen(layout: Layout, supervisor: Supervisor) -> _ControlServer:
    layout.control_socket.unlink(missing_ok=True)
    with short_address(layout.control_socket) as address:
        server = _ControlServer(address, _Orders)
    server.supervisor = supervisor
    server.roster = Roster(layout, supervisor)
    layout.control_socket.chmod(0o600)
    return server


class _Orders(BaseHTTPRequestHandler):
    """GET /status, or /status?probe for the current state; POST /run, /stop, /start with a JSON body; and /faults,
    which is forwarded to the fault proxy."""

    server: _ControlServer

    def do_GET(self) -> None:
        if self._of_faults():
            self._fault(None)
            return
        probe = self.path == "/status?probe"
        rows = self.server.roster.rows(probe=True) if probe else self.server.supervisor.describe()
        self._answer(200, {"parts": rows, "state": self.server.supervisor.state})

    def do_DELETE(self) -> None:
        self._fault(None)

    def _of_faults(self) -> bool:
        return self.path.partition("?")[0] == fault_control.PATH

    def _fault(self, body: dict[str, Any] | None) -> None:
        try:
            self._answer(*fault_control.ask(self.command, self.path, body))
        except (OSError, ValueError, http.client.HTTPException) as error:
            self._answer(400, {"error": f"The part proxy, which applies faults, does not answer ({error})."})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        if self._of_faults():
            self._fault(body)
            return
        supervisor, roster = self.server.supervisor, self.server.roster
        result: Mapping[str, object] = {}
        try:
            match self.path:
                case "/run":
                    command, environment = tuple(body["command"]), body["environment"]
                    supervisor.run(Part(body["name"], command, lambda: None, environment, passing=True))
                case "/start":
                    result = roster.start(body["part"])
                case "/stop":
                    result = roster.stop(body["part"])
                case _:
                    raise KeyError(self.path)
        except (LookupError, ValueError, OSError) as error:
            self._answer(400, {"error": str(error)})
            return
        self._answer(200, result)

    def address_string(self) -> str:
        return "host"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Requests are not logged."""

    def _answer(self, status: int, body: Mapping[str, object]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"`{' '.join(command)}` ended with exit code {done.returncode}: {done.stderr.strip()}")


if __name__ == "__main__":
    sys.exit(main())
