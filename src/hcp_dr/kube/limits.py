"""The limits of a response, for httpx2: reads and writes of its connections end at the deadline of `within`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore2
import httpx2

from hcp_dr.kube.mapping import AnswerError
from hcp_dr.limits import Limit, TooLargeError

MAX_ERROR_BYTES = 1024**2

_CURRENT: ContextVar[Limit | None] = ContextVar("limit", default=None)


@contextmanager
def within(limit: Limit) -> Iterator[None]:
    """Reads and writes of this thread end at the deadline."""
    token = _CURRENT.set(limit)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def chunks_of(response: httpx2.Response, limit: Limit) -> Iterator[bytes]:
    """The decoded body. Raises AnswerError, and the errors of httpx2."""
    chunks = response.iter_bytes()
    while True:
        with within(limit):
            chunk = next(chunks, None)
        if chunk is None:
            return
        try:
            limit.received(len(chunk))
        except TooLargeError as error:
            raise AnswerError(str(error)) from error
        yield chunk


def limit_client(client: httpx2.Client) -> None:
    """Let the connections of the client obey the limit of `within`."""
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - httpx2 takes no backend
        if isinstance(transport, httpx2.HTTPTransport):
            transport._pool._network_backend = _Backend()  # noqa: SLF001


class _Backend(httpcore2.SyncBackend):
    def connect_tcp(self, *arguments: Any, **values: Any) -> httpcore2.NetworkStream:
        return _Stream(super().connect_tcp(*arguments, **values))


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _at_most(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _at_most(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(self, *arguments: Any, **values: Any) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(*arguments, **values))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _at_most(timeout: float | None, error: type[Exception]) -> float | None:
    limit = _CURRENT.get()
    if limit is None:
        return timeout
    remaining = limit.remaining
    if remaining <= 0:
        raise error("the response took too long")
    return remaining if timeout is None else min(timeout, remaining)
