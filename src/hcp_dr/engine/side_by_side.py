"""Reading requests that do not depend on each other, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

HANDS = 16
"""With these a few hundred requests take a second or two."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def side_by_side(ask: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
    """The answers, in order. After an error no further request is begun."""
    if len(items) < 2:
        return [ask(item) for item in items]
    with ThreadPoolExecutor(min(HANDS, len(items))) as pool:
        try:
            return list(pool.map(ask, items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
