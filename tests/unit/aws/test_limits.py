"""A server in the place of AWS that answers without end is given up, in the time of the whole response."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hcp_dr import limits
from hcp_dr.aws.client import AwsSettings, connect
from hcp_dr.aws.port import Bucket
from hcp_dr.errors import AwsError
from tests.unit.endless_server import Give, answering, slowly

OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def sending(send: Callable[[Give], None]) -> Iterator[Bucket]:
    """A bucket of such a server."""
    with answering(send) as port:
        endpoint = f"http://127.0.0.1:{port}"
        settings = AwsSettings("bucket", "Z1", "us-east-1", keys=("AKIA", "secret", None), endpoints={"s3": endpoint})
        yield connect(settings).bucket


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
