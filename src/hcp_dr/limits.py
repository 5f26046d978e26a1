"""Limits of a response of another server: its size, and its time from the first to the last byte. HTTP libraries limit
only the wait for the next byte, so that a request to a server that sends one byte now and then would never end."""

from __future__ import annotations

import time

RESPONSE_SECONDS = 25.0
"""For a small response: each received byte adds the time of `MIN_BYTES_PER_SECOND`."""
MIN_BYTES_PER_SECOND = 16 * 1024
MAX_BYTES = 64 * 1024**2
"""Of a response that is read at once: a page of a list with hundreds of large objects is smaller."""
MAX_PAGES = 2000
"""Of one list."""


class TooLargeError(Exception):
    """Its text is for people."""


class Limit:
    """For one request, or for all pages of a list. Without `max_bytes` only the time is limited."""

    def __init__(self, seconds: float, max_bytes: int | None = MAX_BYTES) -> None:
        self._deadline = time.monotonic() + seconds
        self._max_bytes = max_bytes
        self._received = 0

    @property
    def remaining(self) -> float:
        """Seconds."""
        return self._deadline - time.monotonic()

    def next_page(self) -> None:
        self._received = 0

    def received(self, count: int) -> None:
        """Raises TooLargeError."""
        self._received += count
        self._deadline += count / MIN_BYTES_PER_SECOND
        if self._max_bytes is not None and self._received > self._max_bytes:
            raise TooLargeError(f"the response is larger than {self._max_bytes // 1024**2} MiB")
