"""The merge patch (RFC 7386) from one object to another, and the differences between the data of two objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch that changes `old` into `new`; empty if they are equal. A list is one value."""
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            inner = merge_patch(before, value)
            if inner:
                patch[key] = inner
        elif key not in old or value != before:
            patch[key] = value
    return patch


def patched(target: Any, patch: Any) -> Any:
    """The value after a merge patch (RFC 7386)."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = patched(result.get(key), value)
    return result


def lacks(actual: Any, wanted: Any) -> bool:
    """Whether `actual` differs from `wanted` in a field of `wanted`. Additional fields, such as defaults, are
    ignored."""
    if isinstance(wanted, Mapping):
        return not isinstance(actual, Mapping) or any(lacks(actual.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        comparable = isinstance(actual, list) and len(actual) == len(wanted)
        return not comparable or any(map(lacks, actual, wanted))
    return bool(actual != wanted)


def differing_keys(wanted: Mapping[str, Any], actual: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(key for key in {*wanted, *actual} if wanted.get(key) != actual.get(key)))


def describe_differences(wanted: Mapping[str, Any], actual: Mapping[str, Any], *, lines: bool) -> tuple[str, ...]:
    """The keys that differ and the place of the difference, without values: a ConfigMap may contain secrets too. With
    `lines` the values are texts, and the line numbers are included."""
    return tuple(
        key if place is None else f"{key}: {place}"
        for key in differing_keys(wanted, actual)
        for place in [_describe_place(wanted.get(key), actual.get(key), lines=lines)]
    )


def _describe_place(wanted: Any, actual: Any, *, lines: bool) -> str | None:
    if actual is None:
        return "missing there"
    if wanted is None:
        return "there only"
    if not lines:
        return None
    numbers = tuple(_line_numbers(str(wanted).splitlines(), str(actual).splitlines()))
    return f"there lines {', '.join(numbers)} differ" if numbers else "there only the line ends differ"


def _line_numbers(wanted: list[str], actual: list[str]) -> Iterator[str]:
    """Line numbers in `actual`; for missing lines, the number of the line after the gap."""
    for kind, _, _, first, end in SequenceMatcher(None, wanted, actual, autojunk=False).get_opcodes():
        if kind == "delete":
            yield f"before {first + 1}"
        elif kind != "equal":
            yield str(first + 1) if end == first + 1 else f"{first + 1} to {end}"
