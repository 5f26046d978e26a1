"""Access to the region from the host: a CONNECT proxy for `proxy-url` of an ordinary kubeconfig, and the AWS endpoints
at the region's own address. Both are subject to the faults of `fault_control`; see `interception`.

The CONNECT proxy uses the region's resolver, so that the host's resolv.conf needs no change, and connects only to
addresses inside the region.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dns.asyncresolver
import dns.exception
import dns.inet

from hcp_dr_lab.ground import layout as region_layout
from hcp_dr_lab.ground.layout import AWS_PORT, POD_NETWORK, PROXY_PORT, RESOLVER, S3_PORT, VPC_CIDR, Layout
from hcp_dr_lab.ground.network.serving import log_to_stderr, not_listening
from hcp_dr_lab.ground.part import Part
from hcp_dr_lab.region.network import fault_control
from hcp_dr_lab.region.network.interception import CONNECT_SECONDS, Interception, Place, opened
from hcp_dr_lab.region.network.relay import listen

HEAD_LIMIT = 16 * 1024
HEAD_END = b"\r\n\r\n"
HEAD_SECONDS = 10.0
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Target:
    host: str
    port: int


class RefusedError(Exception):
    """The HTTP status and the text for a refused request."""

    def __init__(self, status: str, reason: str) -> None:
        self.status = status
        self.reason = reason
        super().__init__(reason)


def parse_request(head: bytes) -> Target:
    """Parse the target of a CONNECT request. Raises RefusedError."""
    line = head.split(b"\r\n", 1)[0].decode("latin-1")
    method, _, rest = line.partition(" ")
    if method != "CONNECT":
        raise RefusedError("405 Method Not Allowed", "This proxy supports only CONNECT.")
    authority = rest.rpartition(" ")[0]
    host, _, port = authority.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise RefusedError("400 Bad Request", f"{authority!r} is not host:port.")
    return Target(host, int(port))


def is_inside(address: str, layout: Layout) -> bool:
    """Return whether the address belongs to the region: VPC, pods, or the region's end of the link to the host."""
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


async def _head(client: socket.socket) -> bytes:
    """Read up to the empty line; then a CONNECT client waits for the response. Raises RefusedError."""
    loop = asyncio.get_running_loop()
    head = b""
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            while not head.endswith(HEAD_END):
                more = await loop.sock_recv(client, HEAD_LIMIT)
                head += more
                if not more or len(head) > HEAD_LIMIT or HEAD_END in head[: -len(HEAD_END)]:
                    raise RefusedError("400 Bad Request", "The request is incomplete, or followed by more data.")
    except TimeoutError as error:
        raise RefusedError("400 Bad Request", "The request is incomplete.") from error
    return head


async def _handle(interception: Interception, client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    try:
        target = parse_request(await _head(client))
        place = Place(await _address(target.host, interception.layout), target.port)
        try:
            behind = await opened(place)
        except (OSError, TimeoutError) as error:
            raise RefusedError("502 Bad Gateway", f"{target.host}:{target.port}: {error}") from error
    except RefusedError as refused:
        with client:
            response = f"HTTP/1.1 {refused.status}\r\nConnection: close\r\n\r\n{refused.reason}\n"
            await loop.sock_sendall(client, response.encode())
        return
    await loop.sock_sendall(client, ESTABLISHED)
    await interception.from_connect(target.host, place, client, behind)


async def serve(layout: Layout) -> None:
    interception = Interception(layout)
    address = layout.region_address
    await fault_control.serve(interception)
    await asyncio.gather(
        await listen(address, S3_PORT, partial(interception.from_outside, "s3")),
        await listen(address, AWS_PORT, partial(interception.from_outside, "")),
        await listen(address, PROXY_PORT, partial(_handle, interception)),
    )


def part(layout: Layout) -> Part:
    address = layout.region_address
    return Part(
        name="proxy",
        command=(sys.executable, "-m", "hcp_dr_lab.region.network.proxy", str(layout.root)),
        probe=lambda: not_listening((address, PROXY_PORT), (address, S3_PORT), (address, AWS_PORT)),
    )


if __name__ == "__main__":
    log_to_stderr()
    asyncio.run(serve(region_layout.load(Path(sys.argv[1]))))
