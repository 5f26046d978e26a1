"""Connections: carrying bytes both ways between two, as the proxy and the load balancer do, and what they begin as."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CHUNK = 64 * 1024
LINGER_NOT = struct.pack("ii", 1, 0)


async def relay(one: Stream, other: Stream) -> None:
    """Until both ways have ended. One way that ends leaves the other open; one that breaks ends both at once."""
    try:
        async with asyncio.TaskGroup() as ways:
            ways.create_task(_carry(one[0], other[1]))
            ways.create_task(_carry(other[0], one[1]))
    except* OSError:
        reset(one[1])
        reset(other[1])
    finally:
        one[1].close()
        other[1].close()


async def _carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(CHUNK):
        target.write(data)
        await target.drain()
    with contextlib.suppress(NotImplementedError):
        target.write_eof()


async def listen(address: str, port: int, handle: Callable[[socket.socket], Awaitable[None]]) -> asyncio.Task[None]:
    """Accept connections of which nothing is read yet, so that whoever handles one may still begin TLS on it."""
    listener = socket.create_server((address, port), backlog=256)
    listener.settimeout(0)
    return asyncio.create_task(_accept(listener, handle))


async def _accept(listener: socket.socket, handle: Callable[[socket.socket], Awaitable[None]]) -> None:
    async def handled(client: socket.socket) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            await handle(client)

    running: set[asyncio.Task[None]] = set()
    with listener:
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(listener)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = asyncio.create_task(handled(client))
            running.add(task)
            task.add_done_callback(running.discard)


async def stream(
    accepted: socket.socket, context: ssl.SSLContext | None = None, seconds: float | None = None
) -> Stream:
    """Of an accepted connection, with TLS as its server where there is a context. Raises OSError."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, accepted, ssl=context, ssl_handshake_timeout=seconds if context is not None else None
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def reset_socket(accepted: socket.socket) -> None:
    """As `reset`, before the connection is a stream."""
    with contextlib.suppress(OSError):
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    accepted.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST: the other side knows at once that nobody serves it."""
    with contextlib.suppress(OSError, AttributeError):  # asyncio's TLS knows no socket of a connection that is lost
        connection: socket.socket | None = writer.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()
