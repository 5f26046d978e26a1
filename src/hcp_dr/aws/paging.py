"""A listing of many pages that is not begun anew when one page fails in a passing way.

Route53 takes five requests a second from a whole account. A zone of ten thousand records has 34 pages, so that a
listing which the engine begins again at every refusal would never come to its end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from hcp_dr.errors import AwsError

Item = TypeVar("Item")
FRESH = 30.0
"""Seconds after which the pages of an interrupted listing no longer count."""


@dataclass(slots=True)
class _Begun(Generic[Item]):
    since: float
    items: list[Item] = field(default_factory=list)
    next: Any = None


class Listing(Generic[Item]):
    """`ask` gives a page from a mark on (None: from the beginning), and the mark of the next page, None after the
    last. It may raise a passing AwsError: the next call of `whole` goes on from that page."""

    def __init__(
        self, ask: Callable[[Any], tuple[Sequence[Item], Any]], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._now = now
        self._begun: _Begun[Item] | None = None

    def whole(self) -> tuple[Item, ...]:
        begun, self._begun = self._begun, None
        if begun is None or self._now() - begun.since > FRESH:
            begun = _Begun(self._now())
        while True:
            try:
                items, following = self._ask(begun.next)
            except AwsError as error:
                if error.passing and begun.next is not None:
                    self._begun = begun
                raise
            begun.items += items
            begun.next = following
            if following is None:
                return tuple(begun.items)
