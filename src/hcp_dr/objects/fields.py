"""The fields of an object that hcp-dr was not written for, as dotted paths without the numbers of list items."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

_ANYTHING = ".*"


def unknown_fields(value: Any, known: Collection[str], path: str = "") -> Iterator[str]:
    """The topmost fields that are not known. `known` has a path that ends with `.*` where any content is known."""
    for name, inner in _children(value):
        inner_path = f"{path}.{name}" if path else name
        if inner_path not in known:
            yield inner_path
        elif inner_path + _ANYTHING not in known:
            yield from unknown_fields(inner, known, inner_path)


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        for item in value:
            yield from _children(item)
