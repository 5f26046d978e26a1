"""Documents with one value replaced by a value of another type, as a stranger, another version or a slip may write."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from typing import Any

OTHERS: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    "x",
    "\x1b[31m\u202e",
    [],
    ["x"],
    [None],
    {},
    {"x": None},
)
Place = tuple[str | int, ...]


def places(document: Any, place: Place = ()) -> Iterator[Place]:
    """All places in a document of JSON, without the document itself."""
    parts = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in parts:
        yield (*place, key)
        yield from places(value, (*place, key))


def replaced(document: Any, place: Place, value: Any) -> Any:
    changed = copy.deepcopy(document)
    *outer, last = place
    target = changed
    for key in outer:
        target = target[key]
    target[last] = copy.deepcopy(value)
    return changed


def without(document: Any, place: Place) -> Any:
    changed = copy.deepcopy(document)
    *outer, last = place
    target = changed
    for key in outer:
        target = target[key]
    del target[last]
    return changed


def mutations(document: Any) -> Iterator[tuple[str, Any]]:
    """All of them, with a name."""
    for place in places(document):
        name = ".".join(map(str, place))
        yield f"without {name}", without(document, place)
        for value in OTHERS:
            yield f"{name} is {value!r}", replaced(document, place, value)


def some(documents: Mapping[str, Any], count: int, seed: int) -> Iterator[tuple[str, str, Any]]:
    """The document's key, a name, and the changed document: the same ones at each run."""
    chosen = random.Random(seed)  # noqa: S311 no secret
    found = [(key, place) for key, document in documents.items() for place in places(document)]
    for _ in range(count):
        (key, place), value = chosen.choice(found), chosen.choice(OTHERS)
        yield key, f"{key} {'.'.join(map(str, place))} is {value!r}", replaced(documents[key], place, value)
