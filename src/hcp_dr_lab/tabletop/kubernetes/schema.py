"""Structural schemas: pruning, defaults and validation of custom resources.

A node is read from its raw form when an object first has a value there: most of a large schema is never looked at.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, cached_property
from typing import Any

from hcp_dr_lab.tabletop.kubernetes.expressions import Rule, quantity
from hcp_dr_lab.tabletop.kubernetes.patch import same

_RULES = "x-kubernetes-validations"
_ABSENT = object()
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


class Schema:
    """One node. `transitional` is whether it, or anything in it, has a rule about old and new value."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self._children: dict[str, Schema] = {}
        self.type: str = raw.get("type", "")
        self.preserves: bool = bool(raw.get("x-kubernetes-preserve-unknown-fields"))
        self._properties: Mapping[str, Any] = raw.get("properties") or {}
        self._list_type: str = raw.get("x-kubernetes-list-type", "atomic")
        self._keys: Sequence[str] = raw.get("x-kubernetes-list-map-keys") or ()
        self._defaults = [name for name, child in self._properties.items() if "default" in child]
        self._embedded = bool(raw.get("x-kubernetes-embedded-resource"))

    @cached_property
    def transitional(self) -> bool:
        return _transitional(self._raw)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(Rule.read(raw) for raw in self._raw.get(_RULES) or ())

    @cached_property
    def items(self) -> Schema | None:
        return Schema(self._raw["items"]) if isinstance(self._raw.get("items"), Mapping) else None

    @cached_property
    def additional(self) -> Schema | None:
        raw = self._raw.get("additionalProperties")
        return Schema(raw) if isinstance(raw, Mapping) else None

    def property(self, name: str) -> Schema | None:
        """The schema of a field of an object, or of a value of a map."""
        child = self._children.get(name)
        if child is None:
            raw = self._properties.get(name)
            if raw is None:
                return self.additional
            child = self._children[name] = Schema(raw)
        return child

    def knows(self, name: str) -> bool:
        return name in self._properties or self._raw.get("additionalProperties") is True or self.additional is not None

    def fill(self, value: Any, *, root: bool = False) -> None:
        """Prune what is not in the schema and set defaults, in place."""
        if isinstance(value, dict):
            if not self.preserves:
                for name in [
                    name for name in value if not self.knows(name) and not _kept(name, root or self._embedded)
                ]:
                    del value[name]
            for name in self._defaults:
                raw = self._properties[name]
                if name not in value or (value[name] is None and not raw.get("nullable")):
                    value[name] = copy.deepcopy(raw["default"])
            for name, part in value.items():
                if isinstance(part, (dict, list)) and not (root and name == "metadata"):
                    child = self.property(name)
                    if child is not None:
                        child.fill(part)
        elif isinstance(value, list) and self.items is not None:
            for part in value:
                self.items.fill(part)

    def problems(self, value: Any, old: Any = _ABSENT, place: str = "") -> Iterator[str]:
        """What is wrong with a value. What did not change is not judged again, but by rules that compare."""
        unchanged = old is not _ABSENT and value == old and same(value, old)
        if unchanged and not self.transitional:
            return
        if value is None:
            if not self._raw.get("nullable") and not unchanged:
                yield f'{place}: Invalid value: "null": {place} in body must be of type {self.type}: "null"'
            return
        if not unchanged:
            wrong = list(self._shape(value, place))
            if wrong:
                yield from wrong
                return
        yield from self._inside(value, old, place)
        for rule in self.rules:
            if unchanged and not rule.transition:
                continue
            problem = rule.problem(_seen(value), None if old is _ABSENT else _seen(old), has_old=old is not _ABSENT)
            if problem:
                yield f"{place + rule.field_path or '<nil>'}: Invalid value: {_told(value)}: {problem}"

    def _inside(self, value: Any, old: Any, place: str) -> Iterator[str]:
        if isinstance(value, dict):
            before = old if isinstance(old, dict) else {}
            for name, part in value.items():
                child = self.property(name)
                if child is not None:
                    path = (
                        f"{place}.{name}"
                        if place and name in self._properties
                        else name
                        if not place
                        else f"{place}.{name}"
                    )
                    yield from child.problems(part, before.get(name, _ABSENT), path)
        elif isinstance(value, list) and self.items is not None:
            known = self._by_key(old) if self._list_type == "map" and isinstance(old, list) else {}
            for number, part in enumerate(value):
                yield from self.items.problems(part, known.get(self._key(part), _ABSENT), f"{place}[{number}]")

    def _shape(self, value: Any, place: str) -> Iterator[str]:
        """The node's own limits, without those of its parts."""
        raw = self._raw
        if not self._right_type(value):
            told = {bool: "boolean", str: "string", int: "integer", float: "number", dict: "object", list: "array"}
            wanted = "integer,string" if raw.get("x-kubernetes-int-or-string") else self.type
            kind = told.get(type(value), "null")
            yield f'{place}: Invalid value: "{kind}": {place} in body must be of type {wanted}: "{kind}"'
            return
        if "enum" in raw and not any(same(value, known) for known in raw["enum"]):
            supported = ", ".join(f'"{known}"' for known in raw["enum"])
            yield f"{place}: Unsupported value: {_told(value)}: supported values: {supported}"
        if isinstance(value, str):
            yield from self._text(value, place)
        elif isinstance(value, dict):
            yield from self._object(value, place)
        elif isinstance(value, list):
            yield from self._list(value, place)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield from self._number(value, place)
        yield from self._junctors(value, place)

    def _right_type(self, value: Any) -> bool:
        if self._raw.get("x-kubernetes-int-or-string"):
            return isinstance(value, (int, str)) and not isinstance(value, bool)
        if not self.type:
            return True
        if isinstance(value, bool):
            return self.type == "boolean"
        if self.type == "integer" and isinstance(value, float):
            return value.is_integer()
        return isinstance(value, _TYPES[self.type])

    def _text(self, value: str, place: str) -> Iterator[str]:
        raw = self._raw
        if len(value) > raw.get("maxLength", len(value)):
            yield f"{place}: Too long: may not be more than {raw['maxLength']} bytes"
        if len(value) < raw.get("minLength", 0):
            yield f'{place}: Invalid value: "{value}": {place} in body should be at least {raw["minLength"]} chars long'
        if "pattern" in raw and not _pattern(raw["pattern"]).search(value):
            yield f"{place}: Invalid value: \"{value}\": {place} in body should match '{raw['pattern']}'"
        if raw.get("format") in _FORMATS and not _FORMATS[raw["format"]](value):
            yield f'{place}: Invalid value: "{value}": {place} in body must be of type {raw["format"]}: "{value}"'

    def _number(self, value: float, place: str) -> Iterator[str]:
        raw = self._raw
        low, high = raw.get("minimum"), raw.get("maximum")
        if low is not None and (value < low or (value == low and raw.get("exclusiveMinimum"))):
            yield f"{place}: Invalid value: {value}: {place} in body should be greater than or equal to {low}"
        if high is not None and (value > high or (value == high and raw.get("exclusiveMaximum"))):
            yield f"{place}: Invalid value: {value}: {place} in body should be less than or equal to {high}"
        if raw.get("multipleOf") and value % raw["multipleOf"]:
            yield f"{place}: Invalid value: {value}: {place} in body should be a multiple of {raw['multipleOf']}"

    def _object(self, value: dict[str, Any], place: str) -> Iterator[str]:
        raw = self._raw
        for name in raw.get("required") or ():
            if name not in value:
                yield f"{place + '.' if place else ''}{name}: Required value"
        if len(value) < raw.get("minProperties", 0):
            yield f"{place}: Invalid value: {len(value)}: at least {raw['minProperties']} properties"
        if len(value) > raw.get("maxProperties", len(value)):
            yield f"{place}: Too many: {len(value)}: must have at most {raw['maxProperties']} items"

    def _list(self, value: list[Any], place: str) -> Iterator[str]:
        raw = self._raw
        if len(value) > raw.get("maxItems", len(value)):
            yield f"{place}: Too many: {len(value)}: must have at most {raw['maxItems']} items"
        if len(value) < raw.get("minItems", 0):
            yield f"{place}: Invalid value: {len(value)}: {place} in body should have at least {raw['minItems']} items"
        if self._list_type in ("set", "map"):
            seen: list[Any] = []
            for number, part in enumerate(value):
                key = self._key(part) if self._list_type == "map" else part
                if key in seen:
                    yield f"{place}[{number}]: Duplicate value: {_told(part)}"
                seen.append(key)

    def _junctors(self, value: Any, place: str) -> Iterator[str]:
        raw = self._raw
        for part in raw.get("allOf") or ():
            yield from _bare(part).fits(value, place)
        if raw.get("anyOf") and not any(_bare(part).fit(value) for part in raw["anyOf"]):
            yield f"{place}: Invalid value: {_told(value)}: {place} in body must validate at least one schema (anyOf)"
        if raw.get("oneOf") and sum(_bare(part).fit(value) for part in raw["oneOf"]) != 1:
            yield f"{place}: Invalid value: {_told(value)}: must validate one and only one schema (oneOf)"
        if raw.get("not") and _bare(raw["not"]).fit(value):
            yield f"{place}: Invalid value: {_told(value)}: {place} in body must not validate the schema (not)"

    def fits(self, value: Any, place: str) -> Iterator[str]:
        """The problems of a schema inside allOf, anyOf, oneOf or not: all limits, no rules."""
        yield from self._shape(value, place)
        yield from self._inside(value, _ABSENT, place)

    def fit(self, value: Any) -> bool:
        return not any(True for _ in self.fits(value, ""))

    def _key(self, item: Any) -> tuple[Any, ...]:
        return tuple(item.get(key) for key in self._keys) if isinstance(item, dict) else ()

    def _by_key(self, items: Sequence[Any]) -> dict[tuple[Any, ...], Any]:
        return {self._key(item): item for item in items}


def _bare(raw: Mapping[str, Any]) -> Schema:
    return Schema(raw)


def _kept(name: str, resource: bool) -> bool:  # noqa: FBT001 - one word for two callers
    return resource and name in ("apiVersion", "kind", "metadata")


def _transitional(raw: Any) -> bool:
    if isinstance(raw, Mapping):
        if any(
            "oldSelf" in rule["rule"] for rule in raw.get(_RULES) or () if isinstance(rule, Mapping) and "rule" in rule
        ):
            return True
        return any(_transitional(value) for value in raw.values() if isinstance(value, (Mapping, list)))
    return isinstance(raw, list) and any(_transitional(value) for value in raw)


_RESERVED = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
        *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    )
)


def _seen(value: Any) -> Any:
    """As rules name it: words of CEL are escaped, and so are dots and dashes."""
    if isinstance(value, dict):
        return {_escaped(name): _seen(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_seen(part) for part in value]
    return value


@cache
def _escaped(name: str) -> str:
    if name in _RESERVED:
        return f"__{name}__"
    return name


def _told(value: Any) -> str:
    return {dict: '"object"', list: '"array"', bool: '"boolean"'}.get(type(value)) or (
        f'"{value}"' if isinstance(value, str) else str(value)
    )


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text.replace(r"\z", r"\Z"))


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None and "T" in text.upper()
    except ValueError:
        return False


_DURATION = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)(((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*)|0")


def _is_quantity(text: str) -> bool:
    try:
        quantity(text)
    except ValueError:
        return False
    return True


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "date-time": _is_time,
    "duration": lambda text: bool(_DURATION.fullmatch(text)),
    "quantity": _is_quantity,
    "uuid": lambda text: bool(re.fullmatch(r"(?i)[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", text)),
}
