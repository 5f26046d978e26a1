"""A server on loopback whose answers never end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Give = Callable[[bytes], None]


@contextmanager
def answering(send: Callable[[Give], None]) -> Iterator[int]:
    """The port of a server that sends what `send` gives to its argument, until the client is gone."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    send(connection.sendall)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def slowly(head: bytes, piece: bytes) -> Callable[[Give], None]:
    def send(give: Give) -> None:
        give(head)
        while True:
            give(piece)
            time.sleep(0.02)

    return send
