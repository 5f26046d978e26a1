"""The way into the region from the host: a CONNECT proxy, which `proxy-url` of an ordinary kubeconfig names.

It resolves names by the region's resolver, so that the host's own resolv.conf is never touched, and connects to
addresses of the region only, so that it is no way out.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import sys
from dataclasses import dataclass
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.inet

from hcp_dr_lab.region import layout as region_layout
from hcp_dr_lab.region.layout import POD_NETWORK, PROXY_PORT, RESOLVER, VPC_CIDR, Layout
from hcp_dr_lab.region.network.relay import relay
from hcp_dr_lab.region.network.serving import not_listening
from hcp_dr_lab.region.part import Part

HEAD_LIMIT = 16 * 1024
HEAD_SECONDS = 10.0
CONNECT_SECONDS = 10.0
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Target:
    host: str
    port: int


class RefusedError(Exception):
    """The request is answered with this HTTP status and this sentence."""

    def __init__(self, status: str, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(reason)


def parse_request(head: bytes) -> Target:
    """The target of a CONNECT request. Raises RefusedError."""
    line = head.split(b"\r\n", 1)[0].decode("latin-1")
    method, _, rest = line.partition(" ")
    if method != "CONNECT":
        raise RefusedError("405 Method Not Allowed", "This proxy takes CONNECT only.")
    authority = rest.rpartition(" ")[0]
    host, _, port = authority.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise RefusedError("400 Bad Request", f"{authority!r} is not host:port.")
    return Target(host, int(port))


def is_inside(address: str, layout: Layout) -> bool:
    """Whether the address belongs to the region: its VPC, its pods, its end of the pair to the host."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if address == layout.region_address:
        return True
    return any(parsed in ipaddress.ip_network(network) for network in (VPC_CIDR, POD_NETWORK))


async def _address(host: str, layout: Layout) -> str:
    address = host if dns.inet.is_address(host) else await _resolved(host)
    if not is_inside(address, layout):
        raise RefusedError("403 Forbidden", f"{host} is not inside the region.")
    return address


async def _resolved(host: str) -> str:
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [RESOLVER]
    resolver.lifetime = CONNECT_SECONDS
    try:
        answer = await resolver.resolve(host.rstrip(".") + ".", "A")
    except dns.exception.DNSException as error:
        raise RefusedError("502 Bad Gateway", f"{host} has no address: {error}") from error
    return str(answer[0])


async def _serve(layout: Layout, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.LimitOverrunError, TimeoutError) as error:
            raise RefusedError("400 Bad Request", "No whole request came.") from error
        target = parse_request(head)
        address = await _address(target.host, layout)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                behind = await asyncio.open_connection(address, target.port)
        except OSError as error:
            raise RefusedError("502 Bad Gateway", f"{target.host}:{target.port}: {error}") from error
    except RefusedError as refused:
        writer.write(f"HTTP/1.1 {refused.status}\r\nConnection: close\r\n\r\n{refused.reason}\n".encode())
        return
    writer.write(ESTABLISHED)
    await relay((reader, writer), behind)


async def _handle(layout: Layout, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        try:
            await _serve(layout, reader, writer)
        finally:
            writer.close()


async def serve(layout: Layout) -> None:
    server = await asyncio.start_server(
        lambda reader, writer: _handle(layout, reader, writer),
        layout.region_address, PROXY_PORT, limit=HEAD_LIMIT,
    )  # fmt: skip
    await server.serve_forever()


def part(layout: Layout) -> Part:
    return Part(
        name="proxy",
        command=(sys.executable, "-m", "hcp_dr_lab.region.network.proxy", str(layout.root)),
        probe=lambda: not_listening((layout.region_address, PROXY_PORT)),
    )


if __name__ == "__main__":
    asyncio.run(serve(region_layout.load(Path(sys.argv[1]))))
