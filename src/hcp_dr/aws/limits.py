"""The limits of a response, for botocore: the connections of a client end a response at its deadline, headers and body,
and a body that is read at once may not be too large."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool, AWSHTTPSConnection, AWSHTTPSConnectionPool
from botocore.exceptions import HTTPClientError, PaginationError, ResponseStreamingError

from hcp_dr import limits
from hcp_dr.limits import MAX_BYTES, MAX_PAGES, Limit

_CHUNK = 64 * 1024
_FIRST_ERROR = 300
Page = TypeVar("Page")


def limit_client(client: Any) -> None:
    """Let all responses of the client end in time."""
    endpoint = client._endpoint  # noqa: SLF001 - botocore takes no session, and its session no connection class
    session = endpoint.http_session
    session._pool_classes_by_scheme.update({"http": _Pool, "https": _TlsPool})  # noqa: SLF001 - of proxies too
    endpoint.http_session = _Session(session)


def limited(pages: Iterable[Page]) -> Iterator[Page]:
    """The pages of a list. Raises PaginationError if they have no end."""
    for number, page in enumerate(pages):
        if number == MAX_PAGES:
            raise PaginationError(message="the list has no end")
        yield page


class _Session:
    """A session of botocore that reads the bodies itself."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def send(self, request: Any) -> Any:
        streamed, request.stream_output = request.stream_output, True
        response = self._session.send(request)
        response.raw = _Body(response.raw)
        if not streamed or response.status_code >= _FIRST_ERROR:
            response._content = response.raw.read_all()  # noqa: SLF001 - as botocore does itself
        return response

    def close(self) -> None:
        self._session.close()


class _Body:
    """The body of a response, as botocore reads it."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def read(self, amt: int | None = None, *_: object, **__: object) -> bytes:
        if amt is None:
            return self.read_all()
        content = bytearray()
        while len(content) < amt and (chunk := self._next(min(_CHUNK, amt - len(content)))):
            content += chunk
        return bytes(content)

    def read_all(self) -> bytes:
        content = self.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            self._raw.close()
            raise ResponseStreamingError(error=f"the response is larger than {MAX_BYTES // 1024**2} MiB")
        return content

    def _next(self, count: int) -> bytes:
        try:
            chunk: bytes = self._raw.read1(count)
        except Exception as error:
            raise HTTPClientError(error=error) from error
        return chunk


class _Limited:
    """A connection whose responses end at their deadline."""

    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.sock = _Socket(self.sock)


class _Connection(_Limited, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _TlsConnection(_Limited, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _Pool(AWSHTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(AWSHTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Socket:
    """A socket. http.client makes one file of it for each response."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, mode: str, buffering: int | None = None) -> io.BufferedIOBase | io.RawIOBase:
        raw = _Response(self._sock.makefile(mode, 0), self._sock)
        return raw if buffering == 0 else io.BufferedReader(raw)


class _Response(io.RawIOBase):
    def __init__(self, raw: Any, sock: Any) -> None:
        self._raw = raw
        self._sock = sock
        self._seconds = sock.gettimeout()
        self._limit = Limit(limits.RESPONSE_SECONDS, None)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        remaining = self._limit.remaining
        if remaining <= 0:
            raise TimeoutError("the response took too long")
        self._sock.settimeout(remaining if self._seconds is None else min(self._seconds, remaining))
        count: int | None = self._raw.readinto(buffer)
        self._limit.received(count or 0)
        return count

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
        super().close()
