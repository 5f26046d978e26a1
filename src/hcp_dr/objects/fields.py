"""The fields of an object, as dotted paths without the numbers of list items: fields that hcp-dr was not written for,
and fields that an API server would drop because the schema of the kind does not have them."""

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


def dropped_fields(value: Any, schema: Any, path: str = "") -> Iterator[str]:
    """The topmost fields that the schema (openAPIV3Schema of a CustomResourceDefinition) does not have. A part with
    x-kubernetes-preserve-unknown-fields keeps them, but not those of its known fields."""
    if not isinstance(schema, Mapping):
        return
    if isinstance(value, list):
        for item in value:
            yield from dropped_fields(item, schema.get("items") or {}, path)
        return
    properties, more = schema.get("properties"), schema.get("additionalProperties")
    properties = properties if isinstance(properties, Mapping) else {}
    kept = more or schema.get("x-kubernetes-preserve-unknown-fields")
    for name, inner in _children(value):
        inner_path = f"{path}.{name}" if path else name
        if name in properties:
            yield from dropped_fields(inner, properties[name], inner_path)
        elif isinstance(more, Mapping):
            yield from dropped_fields(inner, more, inner_path)
        elif not kept:
            yield inner_path


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        for item in value:
            yield from _children(item)
