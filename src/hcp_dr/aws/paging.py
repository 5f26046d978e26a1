"""A paginated list that continues after a passing error instead of starting again.

Route53 accepts five requests a second from one account. A zone of ten thousand records has 34 pages: a list that starts
again at every throttled request might never finish.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from hcp_dr.errors import AwsError
from hcp_dr.limits import MAX_PAGES

Item = TypeVar("Item")
MAX_AGE = 30.0
"""Seconds until the pages of an interrupted list expire."""


@dataclass(slots=True)
class _Partial(Generic[Item]):
    began: float
    items: list[Item] = field(default_factory=list)
    next: Any = None
    pages: int = 0


class Listing(Generic[Item]):
    """`read_page` returns the page at a token (None: the first page), and the token of the next page, None after the
    last. After a passing AwsError the next call of `read_all` continues with the same page."""

    def __init__(
        self,
        read_page: Callable[[Any], tuple[Sequence[Item], Any]],
        *,
        service: str = "",
        subject: str = "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._subject = subject
        self._read_page = read_page
        self._now = now
        self._partial: _Partial[Item] | None = None

    def read_all(self) -> tuple[Item, ...]:
        partial, self._partial = self._partial, None
        if partial is None or self._now() - partial.began > MAX_AGE:
            partial = _Partial(self._now())
        while True:
            try:
                items, next_token = self._read_page(partial.next)
            except AwsError as error:
                if error.passing and partial.next is not None:
                    self._partial = partial
                raise
            partial.items += items
            if next_token is None:
                return tuple(partial.items)
            partial.next = next_token
            partial.pages += 1
            if partial.pages >= MAX_PAGES or not items:
                raise AwsError(service=self._service, operation="a list", object=self._subject, reason="it has no end")
