"""All name servers of the region in one process: the authoritative server, the caching resolver, and the cluster DNS
of both management clusters, all on their own addresses, over UDP and TCP.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import dns.exception
import dns.message
import dns.query
from dns.name import Name
from dns.rdatatype import RdataType

from hcp_dr.kube.client import connect
from hcp_dr.kube.resources import ENDPOINT_SLICE
from hcp_dr_lab.ground import layout as region_layout
from hcp_dr_lab.ground.layout import (
    MANAGEMENT_CLUSTERS,
    REGION_DOMAIN,
    RESOLVER,
    ZONE_SERVER,
    Layout,
    ManagementCluster,
)
from hcp_dr_lab.ground.network.answers import Source, Step, respond
from hcp_dr_lab.ground.network.cluster_names import ClusterNames, cluster_names
from hcp_dr_lab.ground.network.resolver import Cache
from hcp_dr_lab.ground.network.serving import log_to_stderr
from hcp_dr_lab.ground.network.zones import PublishedZones, region_source
from hcp_dr_lab.ground.part import Part
from hcp_dr_lab.region.cloud.aws import zones_file
from hcp_dr_lab.region.network.mirror import Mirror

PORT = 53
IDLE_SECONDS = 10.0
ANSWER_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class NameServer:
    address: str
    source: Source
    authoritative: bool = False

    def respond(self, query: bytes, *, over_udp: bool) -> bytes | None:
        return respond(query, self.source, authoritative=self.authoritative, over_udp=over_udp)


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self._server.respond(data, over_udp=True)
        if response is not None:
            self._transport.sendto(response, addr)


async def _serve_stream(server: NameServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
        try:
            while True:
                async with asyncio.timeout(IDLE_SECONDS):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    query = await reader.readexactly(length)
                response = server.respond(query, over_udp=False)
                if response is None:
                    break
                writer.write(struct.pack("!H", len(response)) + response)
                await writer.drain()
        finally:
            writer.close()


class ClusterServer:
    """Cluster DNS: the names of one cluster from a mirror of EndpointSlices, all other names from the resolver."""

    def __init__(self, layout: Layout, cluster: ManagementCluster, resolver: Source) -> None:
        self._resolver = resolver
        self._version = 0
        self._known = (-1, ClusterNames())
        connection = connect(layout.inside_kubeconfig(cluster), cluster.name)
        self._mirror = Mirror(connection, ENDPOINT_SLICE, self._changed)

    def _changed(self) -> None:
        self._version += 1

    def step(self, name: Name, kind: RdataType) -> Step:
        version = self._version
        if self._known[0] != version:
            self._known = (version, cluster_names(self._mirror.objects()))
        return self._known[1].step(name, kind) or self._resolver(name, kind)


def name_servers(layout: Layout) -> list[NameServer]:
    delays = layout.options.delays
    region = region_source(PublishedZones(zones_file(layout), delays.record_propagation))
    resolver = Cache(region, time.monotonic, delays.longest_cached).step
    return [NameServer(ZONE_SERVER, region, authoritative=True), NameServer(RESOLVER, resolver)] + [
        NameServer(cluster.name_server_address, ClusterServer(layout, cluster, resolver).step)
        for cluster in MANAGEMENT_CLUSTERS
    ]


async def _listen(server: NameServer) -> None:
    await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Datagrams(server), local_addr=(server.address, PORT)
    )
    await asyncio.start_server(lambda reader, writer: _serve_stream(server, reader, writer), server.address, PORT)


async def serve(layout: Layout) -> None:
    for server in name_servers(layout):
        await _listen(server)
    await asyncio.Event().wait()


def _not_answering(address: str) -> str | None:
    query = dns.message.make_query(f"ns.{REGION_DOMAIN}.", "A")
    try:
        dns.query.udp(query, address, timeout=ANSWER_SECONDS)
    except (OSError, dns.exception.DNSException) as error:
        return f"the name server {address} does not answer: {error}"
    return None


def part(layout: Layout) -> Part:
    addresses = (ZONE_SERVER, RESOLVER, *(cluster.name_server_address for cluster in MANAGEMENT_CLUSTERS))
    return Part(
        name="names",
        command=(sys.executable, "-m", "hcp_dr_lab.region.network.names", str(layout.root)),
        probe=lambda: next((reason for address in addresses if (reason := _not_answering(address))), None),
    )


if __name__ == "__main__":
    log_to_stderr()
    asyncio.run(serve(region_layout.load(Path(sys.argv[1]))))
