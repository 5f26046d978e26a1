"""The router and the load balancer of one management cluster.

Admits Routes, and forwards TCP on 443 to the Ready pods for the server name in the ClientHello, and on 6443 for
LoadBalancer Services. TLS is passed through. Connections are reset at once if no pod is Ready, and when their pod ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import logging
import random
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hcp_dr.errors import HcpDrError, NotFound
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import ENDPOINT_SLICE, ROUTE, SERVICE
from hcp_dr_lab.ground import layout as region_layout
from hcp_dr_lab.ground.delays import Delays
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout, ManagementCluster
from hcp_dr_lab.ground.network.routing import Backend, HostNames, Table, admissions, collect_host_names, table
from hcp_dr_lab.ground.network.serving import log_to_stderr, not_listening
from hcp_dr_lab.ground.part import Part
from hcp_dr_lab.region.network.client_hello import IncompleteError, NotClientHelloError, server_name
from hcp_dr_lab.region.network.mirror import Mirror
from hcp_dr_lab.region.network.relay import Stream, relay, reset

ROUTE_PORT = 443
LOAD_BALANCER_PORT = 6443
HELLO_SECONDS = 10.0
CONNECT_SECONDS = 2.0
RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mirrors:
    routes: Mirror
    services: Mirror
    slices: Mirror

    @classmethod
    def of(cls, cluster: Kubernetes, changed: Callable[[], None]) -> Mirrors:
        return cls(*(Mirror(cluster, resource, changed) for resource in (ROUTE, SERVICE, ENDPOINT_SLICE)))


class Admitter:
    """Writes the statuses of Routes, in its own thread."""

    def __init__(self, cluster: Kubernetes, hostname: str) -> None:
        self._cluster = cluster
        self._hostname = hostname
        self._wake = threading.Event()

    def start(self, mirrors: Mirrors) -> None:
        threading.Thread(target=self._run, args=(mirrors,), name="admitter", daemon=True).start()

    def wake(self) -> None:
        self._wake.set()

    def _run(self, mirrors: Mirrors) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            try:
                self._admit(mirrors)
            except NotFound:
                continue
            except HcpDrError as error:
                log.warning("%s", error)
                time.sleep(RETRY_SECONDS)
                self._wake.set()

    def _admit(self, mirrors: Mirrors) -> None:
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for each in admissions(mirrors.routes.objects(), self._hostname, now):
            self._cluster.patch(ROUTE, each.name, each.namespace, {"status": each.status}, subresource="status")
            log.info("route %s/%s: %s", each.namespace, each.name, each.status["ingress"][0]["conditions"][0])


class Balancer:
    """Forwards connections by the current table. All methods except `changed` run in the event loop."""

    def __init__(self, mirrors: Callable[[], Mirrors], delays: Delays) -> None:
        self._mirrors = mirrors
        self._delays = delays
        self._table = Table()
        self._host_names: HostNames = {}
        self._first_seen: dict[Backend, float] = {}
        self._open: dict[str, set[tuple[Stream, Stream]]] = defaultdict(set)
        self._loop = asyncio.get_running_loop()
        self._due = False

    def changed(self) -> None:
        """Can be called from any thread."""
        self._loop.call_soon_threadsafe(self._schedule)

    def _schedule(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_soon(self._update)

    def _update(self) -> None:
        self._due = False
        mirrors = self._mirrors()
        services = mirrors.services.objects()
        self._host_names = collect_host_names(services, self._host_names)
        self._table = table(mirrors.routes.objects(), services, mirrors.slices.objects(), before=self._host_names)
        now = self._loop.time()
        self._first_seen = {backend: self._first_seen.get(backend, now) for backend in self._table.backends}
        for address in [address for address in self._open if address not in self._table.present]:
            for streams in self._open.pop(address):
                for _, writer in streams:
                    reset(writer)

    async def handle_route(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._handle((reader, writer), self._table.for_route, self._delays.router_reload)

    async def handle_load_balancer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._handle((reader, writer), self._table.for_load_balancer, self._delays.new_backend)

    async def _handle(self, client: Stream, choose: Callable[[str | None], frozenset[Backend]], delay: float) -> None:
        """`delay` is the time before a new backend is used."""
        try:
            hello, name = await _read_hello(client[0])
            backend, behind = await self._connect(choose(name), delay)
        except (OSError, TimeoutError, EOFError, NotClientHelloError):
            reset(client[1])
            return
        opened = self._open[backend.address]
        opened.add((client, behind))
        try:
            behind[1].write(hello)
            await relay(client, behind)
        finally:
            opened.discard((client, behind))

    async def _connect(self, backends: frozenset[Backend], delay: float) -> tuple[Backend, Stream]:
        """Connect to a random backend, or to the next if the backend does not answer."""
        served_before = self._loop.time() - delay
        usable = [each for each in sorted(backends) if self._first_seen.get(each, served_before) <= served_before]
        random.shuffle(usable)
        for backend in usable:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    return backend, await asyncio.open_connection(backend.address, backend.port)
        raise ConnectionRefusedError("no Ready pod for this name")


async def _read_hello(reader: asyncio.StreamReader) -> tuple[bytes, str | None]:
    data = b""
    async with asyncio.timeout(HELLO_SECONDS):
        while True:
            more = await reader.read(16 * 1024)
            if not more:
                raise EOFError("the client closed the connection before its ClientHello was complete")
            data += more
            with contextlib.suppress(IncompleteError):
                return data, server_name(data)


async def serve(layout: Layout, cluster: ManagementCluster) -> None:
    connection = connect(layout.inside_kubeconfig(cluster), cluster.name)
    admitter = Admitter(connection, cluster.load_balancer_hostname)
    balancer = Balancer(lambda: mirrors, layout.options.delays)

    def changed() -> None:
        admitter.wake()
        balancer.changed()

    mirrors = Mirrors.of(connection, changed)
    admitter.start(mirrors)
    for handle, port in ((balancer.handle_route, ROUTE_PORT), (balancer.handle_load_balancer, LOAD_BALANCER_PORT)):
        await asyncio.start_server(handle, cluster.load_balancer_address, port)
    await asyncio.Event().wait()


def part(layout: Layout, cluster: ManagementCluster) -> Part:
    return Part(
        name=f"{cluster.name}/balancer",
        command=(
            sys.executable, "-m", "hcp_dr_lab.region.network.balancer", str(layout.root), str(cluster.number),
        ),
        probe=lambda: not_listening(
            (cluster.load_balancer_address, ROUTE_PORT), (cluster.load_balancer_address, LOAD_BALANCER_PORT)
        ),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("number", type=int, choices=[cluster.number for cluster in MANAGEMENT_CLUSTERS])
    arguments = parser.parse_args()
    log_to_stderr()
    layout = region_layout.load(arguments.root)
    asyncio.run(serve(layout, ManagementCluster(arguments.number)))


if __name__ == "__main__":
    main()
