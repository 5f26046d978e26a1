"""Limits of a response of AWS: its size, and its time from the first to the last byte. The timeouts of the AWS library
limit only the wait for the next byte."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from botocore.exceptions import HTTPClientError, PaginationError, ReadTimeoutError, ResponseStreamingError

RESPONSE_SECONDS = 25.0
"""For the body of a small response: each received byte adds the time of `MIN_BYTES_PER_SECOND`."""
MIN_BYTES_PER_SECOND = 16 * 1024
MAX_BYTES = 64 * 1024**2
"""Of a response that is read at once; the product streams larger objects."""
MAX_PAGES = 2000
_CHUNK = 64 * 1024
_FIRST_ERROR = 300
Page = TypeVar("Page")


def limit_client(client: Any) -> None:
    """Let all responses of the client end in time."""
    endpoint = client._endpoint  # noqa: SLF001 - botocore takes no session
    endpoint.http_session = _Session(endpoint.http_session)


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
        response.raw = _Body(response.raw, request.url)
        if not streamed or response.status_code >= _FIRST_ERROR:
            response._content = response.raw.read_all()  # noqa: SLF001 - as botocore does itself
        return response

    def close(self) -> None:
        self._session.close()


class _Body:
    """The body of a response, as botocore reads it."""

    def __init__(self, raw: Any, url: str) -> None:
        self._raw = raw
        self._url = url.partition("?")[0]  # a presigned URL is a secret
        self._deadline = time.monotonic() + RESPONSE_SECONDS

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
        self._deadline += len(chunk) / MIN_BYTES_PER_SECOND
        if time.monotonic() > self._deadline:
            self._raw.close()
            raise ReadTimeoutError(endpoint_url=self._url)
        return chunk
