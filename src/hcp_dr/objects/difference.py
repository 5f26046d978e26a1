"""How one object is made into another by a merge patch (RFC 7386), and where the data of two differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any


def merge_patch(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """What a merge patch has to say to make `old` into `new`; empty where they are the same. A list is one value."""
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


def lacks(found: Any, wanted: Any) -> bool:
    """Is anything of `wanted` not so in `found`? What is there besides, such as a default, does not count."""
    if isinstance(wanted, Mapping):
        return not isinstance(found, Mapping) or any(lacks(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        alike = isinstance(found, list) and len(found) == len(wanted)
        return not alike or any(map(lacks, found, wanted))
    return bool(found != wanted)


def differing_keys(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(key for key in {*wanted, *found} if wanted.get(key) != found.get(key)))


def told(wanted: Mapping[str, Any], found: Mapping[str, Any], *, lines: bool) -> tuple[str, ...]:
    """Key by key, where they differ and never with what: a ConfigMap may hold what is secret too. With `lines` the
    values are texts, whose lines are counted."""
    return tuple(
        key if where is None else f"{key}: {where}"
        for key in differing_keys(wanted, found)
        for where in [_where(wanted.get(key), found.get(key), lines=lines)]
    )


def _where(wanted: Any, found: Any, *, lines: bool) -> str | None:
    if found is None:
        return "missing there"
    if wanted is None:
        return "there only"
    if not lines:
        return None
    places = tuple(_places(str(wanted).splitlines(), str(found).splitlines()))
    return f"there lines {', '.join(places)} differ" if places else "there only the line ends differ"


def _places(wanted: list[str], found: list[str]) -> Iterator[str]:
    """Line numbers in `found`; where lines are missing there, the one before which they were."""
    for kind, _, _, first, end in SequenceMatcher(None, wanted, found, autojunk=False).get_opcodes():
        if kind == "delete":
            yield f"before {first + 1}"
        elif kind != "equal":
            yield str(first + 1) if end == first + 1 else f"{first + 1} to {end}"
