"""Builds frozen values from plain data, by their type hints, so that a case can be a file."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from hcp_dr.engine.step import Step
from hcp_dr.kube import resources
from hcp_dr.kube.port import Resource

_RESOURCES = {value.kind: value for value in vars(resources).values() if isinstance(value, Resource)}


def facts_type(step: Step[Any]) -> type:
    """The type of facts that a step plans over, by its plan's own annotation."""
    hints = get_type_hints(step.plan)
    return next(hint for name, hint in hints.items() if name != "return")  # type: ignore[no-any-return]


def build(kind: Any, value: Any) -> Any:
    """Raises TypeError where the data does not fit the type."""
    if kind is Any or value is None:
        return value
    if kind is Resource:
        return _RESOURCES[value]
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        unknown = set(value) - set(hints)
        if unknown:
            raise TypeError(f"{kind} has no {', '.join(sorted(unknown))}")
        return kind(**{name: build(hints[name], inner) for name, inner in value.items()})  # type: ignore[operator]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return build(next(argument for argument in arguments if argument is not type(None)), value)
    if origin is tuple:
        return _tuple(arguments, value)
    if origin in (frozenset, list):
        return origin(build(arguments[0], inner) for inner in value)
    if origin in (dict, Mapping) or kind is Mapping:
        return _mapping(arguments, value)
    return value


def _tuple(arguments: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(build(arguments[0], inner) for inner in value)
    return tuple(build(argument, inner) for argument, inner in zip(arguments, value, strict=True))


def _mapping(arguments: tuple[Any, ...], value: Any) -> dict[Any, Any]:
    """Keys that are tuples are written "one/two"."""
    if not arguments:
        return dict(value)
    key, inner = arguments
    if get_origin(key) is tuple:
        return {tuple(name.split("/", 1)): build(inner, item) for name, item in value.items()}
    return {name: build(inner, item) for name, item in value.items()}
