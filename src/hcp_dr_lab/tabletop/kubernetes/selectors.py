"""Label selectors and field selectors, parsed once and evaluated often."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from hcp_dr_lab.tabletop.kubernetes.refusal import bad_request

Labels = Mapping[str, str]
Match = Callable[[Labels], bool]

_KEY = r"(?P<key>[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?)"
_SET = re.compile(rf"{_KEY}\s+(?P<how>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(rf"{_KEY}\s*(?P<how>==|=|!=)\s*(?P<value>[-A-Za-z0-9_.]*)$")
_EXISTS = re.compile(rf"(?P<not>!?)\s*{_KEY}$")


@cache
def labels(selector: str) -> Match:
    """Parse a label selector. Raises Refusal (400) for an invalid selector."""
    conditions = [_condition(part.strip(), selector) for part in re.split(r",(?![^(]*\))", selector) if part.strip()]
    return lambda found: all(condition(found) for condition in conditions)


def _condition(part: str, selector: str) -> Match:
    if found := _SET.match(part):
        key = found["key"]
        values = frozenset(value.strip() for value in found["values"].split(","))
        if found["how"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUAL.match(part):
        key, value = found["key"], found["value"]
        if found["how"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.match(part):
        key = found["key"]
        return (lambda labels: key not in labels) if found["not"] else (lambda labels: key in labels)
    raise bad_request(f"unable to parse requirement: {selector!r} is not a label selector")


def selected(selector: Mapping[str, Any], found: Labels) -> bool:
    """Return whether labels match a LabelSelector; an empty selector matches all."""
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or ()
    return all(found.get(key) == value for key, value in wanted.items()) and all(
        _fits(expression, found) for expression in expressions
    )


def _fits(expression: Mapping[str, Any], found: Labels) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return found.get(key) in values
        case "NotIn":
            return found.get(key) not in values
        case "Exists":
            return key in found
    return key not in found


@cache
def fields(selector: str) -> tuple[tuple[str, str, bool], ...]:
    """Return (field, value, whether equality is required) of every term. Raises Refusal (400) for an invalid
    selector."""
    return tuple(_term(part) for part in re.split(r"(?<!\\),", selector) if part)


def _term(part: str) -> tuple[str, str, bool]:
    for how in ("!=", "==", "="):
        field, found, value = part.partition(how)
        if found:
            return field, re.sub(r"\\([,=\\])", r"\1", value), how != "!="
    raise bad_request(f"invalid field selector: '{part}'; can't understand '{part}'")


def text(selector: Mapping[str, object]) -> str:
    """Format a workload's LabelSelector for the scale subresource."""
    found = selector.get("matchLabels")
    return ",".join(f"{key}={value}" for key, value in sorted(found.items())) if isinstance(found, Mapping) else ""
