"""A server in the place of AWS that answers without end is given up, in the time of the whole response."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from hcp_dr import limits
from hcp_dr.aws.client import AwsSettings, connect
from hcp_dr.aws.port import Bucket
from hcp_dr.errors import AwsError

Give = Callable[[bytes], None]
OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def sending(send: Callable[[Give], None]) -> Iterator[Bucket]:
    """A bucket whose server sends what `send` gives to its argument, until the client is gone."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    send(connection.sendall)

    threading.Thread(target=serve, daemon=True).start()
    endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = AwsSettings("bucket", "Z1", "us-east-1", keys=("AKIA", "secret", None), endpoints={"s3": endpoint})
    try:
        yield connect(settings).bucket
    finally:
        listener.close()


def slowly(head: bytes, piece: bytes) -> Callable[[Give], None]:
    def send(give: Give) -> None:
        give(head)
        while True:
            give(piece)
            time.sleep(0.02)

    return send


@pytest.mark.parametrize(
    "send",
    [
        slowly(b"", b"H"),
        slowly(OK, b"X: y\r\n"),
        slowly(OK + b"Content-Length: 1000000\r\n\r\n", b" "),
        slowly(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        slowly(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000\r\n\r\n", b" "),
        slowly(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["a status line", "headers", "a body", "chunks", "an error", "another response"],
)
def test_a_server_that_sends_a_byte_now_and_then(send: Callable[[Give], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RESPONSE_SECONDS", 0.3)
    with sending(send) as bucket:
        with pytest.raises(AwsError):
            bucket.get("key")
        with pytest.raises(AwsError):
            bucket.put("key", b"x" * 1024, metadata={})
