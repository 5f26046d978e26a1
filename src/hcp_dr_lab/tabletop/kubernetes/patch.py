"""Merge patch (RFC 7396) and JSON patch (RFC 6902), applied like in the API server."""

from __future__ import annotations

import json
import marshal
from collections.abc import Mapping, Sequence
from typing import Any


class PatchError(Exception):
    """`failed` if the patch is well-formed but does not apply to the object; otherwise the patch is malformed."""

    def __init__(self, message: str, *, failed: bool) -> None:
        self.failed = failed
        super().__init__(message)


def merged(target: Any, patch: Any) -> Any:
    """Return a new object; unchanged parts are shared with `target`. Like in the server's library, a value that
    replaces a value other than a map loses its nulls, also in lists.
    """
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        before = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(before, Mapping):
            result[key] = merged(before, value)
        else:
            result[key] = _without_nulls(value)
    return result


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    if isinstance(value, list):
        return [_without_nulls(part) for part in value]
    return value


def patched(target: Any, operations: Sequence[Any]) -> Any:
    """Return a new object; `target` is not modified. Raises PatchError."""
    document = json.loads(json.dumps(target))
    for operation in operations:
        document = _apply(document, operation)
    return document


def _apply(document: Any, operation: Any) -> Any:
    if not isinstance(operation, Mapping):
        raise PatchError(f"{operation!r} is not an operation", failed=False)
    kind = operation.get("op")
    path = _words(operation, "path")
    match kind:
        case "add":
            return _add(document, path, _value(operation))
        case "remove":
            return _remove(document, path)
        case "replace":
            _look(document, path, absent=None)  # the server's library sets a missing field
            return _set(document, path, _value(operation))
        case "test":
            if not same(_look(document, path, absent=None), operation.get("value")):
                raise PatchError(f"testing value {operation['path']} failed", failed=True)
            return document
        case "copy":
            return _add(document, path, json.loads(json.dumps(_look(document, _words(operation, "from"), absent=None))))
        case "move":
            source = _words(operation, "from")
            value = _look(document, source)
            return _add(_remove(document, source), path, value)
    raise PatchError(f"Unexpected kind: {kind}", failed=True)


def same(one: Any, other: Any) -> bool:
    """Return whether two values are equal as JSON: true is not 1. Identical bytes, the usual case, are fast."""
    if one is other:
        return True
    return bool(one == other) and (marshal.dumps(one, 2) == marshal.dumps(other, 2) or _same(one, other))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(*pair) for pair in zip(one, other, strict=True))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _words(operation: Mapping[str, Any], name: str) -> list[str]:
    pointer = operation.get(name)
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise PatchError(f"{name} {pointer!r} is not a JSON pointer", failed=False)
    return [word.replace("~1", "/").replace("~0", "~") for word in pointer.split("/")[1:]]


def _value(operation: Mapping[str, Any]) -> Any:
    if "value" not in operation:
        raise PatchError("value is missing", failed=False)
    return operation["value"]


_NEEDED = object()


def _look(document: Any, path: Sequence[str], *, absent: Any = _NEEDED) -> Any:
    found = document
    for number, word in enumerate(path):
        last = number == len(path) - 1
        if isinstance(found, dict):
            if word not in found:
                if last and absent is not _NEEDED:
                    return absent
                raise _missing(path)
            found = found[word]
        elif isinstance(found, list):
            found = found[_index(word, len(found) - 1, path)]
        else:
            raise _missing(path)
    return found


def _add(document: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    parent, word = _look(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if word == "-" else _index(word, len(parent), path), value)
    elif isinstance(parent, dict):
        parent[word] = value
    else:
        raise _missing(path)
    return document


def _set(document: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    parent, word = _look(document, path[:-1]), path[-1]
    parent[_index(word, len(parent) - 1, path) if isinstance(parent, list) else word] = value
    return document


def _remove(document: Any, path: Sequence[str]) -> Any:
    _look(document, path)
    if not path:
        return None
    parent, word = _look(document, path[:-1]), path[-1]
    del parent[_index(word, len(parent) - 1, path) if isinstance(parent, list) else word]
    return document


def _index(word: str, limit: int, path: Sequence[str]) -> int:
    if not word.isdigit() or int(word) > limit:
        raise _missing(path)
    return int(word)


def _missing(path: Sequence[str]) -> PatchError:
    return PatchError(f"doc is missing path: /{'/'.join(path)}: missing value", failed=True)
