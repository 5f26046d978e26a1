"""Copies of a world: mutable objects are copied, immutable objects are shared."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

_Kind = TypeVar("_Kind", bound=type)


def sharing(*names: str) -> Callable[[_Kind], _Kind]:
    """Class decorator: copy.deepcopy shares these attributes between an object and its copy, and copies the others."""

    def deepcopy(self: Any, memo: dict[int, Any]) -> Any:
        made = object.__new__(type(self))
        memo[id(self)] = made
        for name in _attributes(self):
            value = getattr(self, name)
            object.__setattr__(made, name, value if name in names else copy.deepcopy(value, memo))
        return made

    def decorated(kind: _Kind) -> _Kind:
        kind.__deepcopy__ = deepcopy  # type: ignore[attr-defined]
        return kind

    return decorated


def shared(kind: _Kind) -> _Kind:
    """Class decorator for immutable objects: the copy of an object is the object itself."""
    kind.__deepcopy__ = lambda self, _memo: self  # type: ignore[attr-defined]
    return kind


def _attributes(one: Any) -> Iterator[str]:
    for kind in type(one).__mro__:
        yield from (name for name in getattr(kind, "__slots__", ()) if hasattr(one, name))
    yield from getattr(one, "__dict__", ())
