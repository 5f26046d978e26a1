"""Differences between two readings of all objects."""

from __future__ import annotations

from typing import Any

Things = dict[str, Any]
"""Values by an arbitrary name."""


def differences(before: Things, after: Things) -> list[str]:
    return [
        f"{place}: {_where(before.get(place), after.get(place))}"
        for place in sorted({*before, *after})
        if before.get(place) != after.get(place)
    ]


def _where(one: Any, other: Any, path: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        changed = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
        return "; ".join(_where(one.get(key), other.get(key), f"{path}/{key}") for key in changed)
    return f"{path} was {str(one)[:200]}, is {str(other)[:200]}"
