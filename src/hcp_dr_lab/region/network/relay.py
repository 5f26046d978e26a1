"""Carrying bytes both ways between two connections, as the proxy and the load balancer do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

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


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST: the other side knows at once that nobody serves it."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()
