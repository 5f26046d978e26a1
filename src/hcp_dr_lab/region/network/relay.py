"""Connections of the proxy and the load balancer: accepting, and forwarding bytes in both directions."""

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
    """Forward until both directions have ended. After the end of one direction the other stays open; after an error
    both end at once."""
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
    """Accept connections without reading, so that the handler can still start TLS."""
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
    """Open the streams of an accepted connection, as TLS server if a context is given. Raises OSError."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, accepted, ssl=context, ssl_handshake_timeout=seconds if context is not None else None
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def reset_socket(accepted: socket.socket) -> None:
    """Like `reset`, before the connection is a stream."""
    with contextlib.suppress(OSError):
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    accepted.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST, so that the other side notices the failure at once."""
    with contextlib.suppress(OSError, AttributeError):  # asyncio's TLS has no socket for a lost connection
        connection: socket.socket | None = writer.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()
