"""Structural schemas: pruning, defaults and validation of custom resources.

A node is parsed when an object first has a value there: most of a large schema is never used.
"""

from __future__ import annotations

import contextlib
import copy
import json
import marshal
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from datetime import datetime
from functools import cache, cached_property
from typing import Any, NamedTuple

from hcp_dr_lab.tabletop.kubernetes.expressions import Rules, quantity
from hcp_dr_lab.tabletop.kubernetes.patch import same

_RULES = "x-kubernetes-validations"
_ABSENT = object()
_MOST_KEPT = 256
_UNCHECKED = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the "
    "existing errors to complete validation"
)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


class Fault(NamedTuple):
    """A problem of a value. If any fault `blocks`, rules are not evaluated."""

    text: str
    blocks: bool = False


class Schema:
    """One node."""

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
        self._kept: dict[bytes, None] = {}
        self._filled: dict[bytes, None] = {}

    @cached_property
    def ruled(self) -> bool:
        """Whether this node, or a node below, has a rule."""
        return _ruled(self._raw)

    @cached_property
    def rules(self) -> Rules:
        return Rules.read(self._raw.get(_RULES) or ())

    @cached_property
    def items(self) -> Schema | None:
        return Schema(self._raw["items"]) if isinstance(self._raw.get("items"), Mapping) else None

    @cached_property
    def additional(self) -> Schema | None:
        raw = self._raw.get("additionalProperties")
        return Schema(raw) if isinstance(raw, Mapping) else None

    def property(self, name: str) -> Schema | None:
        """Return the schema of a field of an object, or of a value of a map."""
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
        """Prune unknown fields and forbidden nulls, and set defaults, in place; the parts of a whole object (`root`)
        are replaced."""
        if isinstance(value, dict):
            for name in [name for name, part in value.items() if self._pruned(name, part, root=root)]:
                del value[name]
            for name in self._defaults:
                if name not in value:
                    value[name] = copy.deepcopy(self._properties[name]["default"])
            for name, part in value.items():
                if isinstance(part, (dict, list)) and not (root and name == "metadata"):
                    child = self.property(name)
                    if child is not None and root:
                        value[name] = child.filled(part)
                    elif child is not None:
                        child.fill(part)
        elif isinstance(value, list) and self.items is not None:
            for part in value:
                self.items.fill(part)

    def unknown(self, value: Any) -> list[str]:
        """Return the paths of the fields of a whole object that `fill` would prune, in order."""
        return sorted(self._unknown(value, "", root=True))

    def _unknown(self, value: Any, place: str, *, root: bool = False) -> Iterator[str]:
        if isinstance(value, dict):
            for name, part in value.items():
                path = f"{place}.{name}" if place else name
                child = self.property(name)
                if child is not None and not (root and name == "metadata"):
                    yield from child._unknown(part, path)  # noqa: SLF001 - of its own kind
                elif part is not None and self._pruned(name, part, root=root):
                    yield path
        elif isinstance(value, list) and self.items is not None:
            for number, part in enumerate(value):
                yield from self.items._unknown(part, f"{place}[{number}]")  # noqa: SLF001 - of its own kind

    def filled(self, value: Any) -> Any:
        """Return a filled copy, or the value itself if filling is known to change nothing."""
        packed = marshal.dumps(value, 2)
        if packed in self._filled:
            return value
        made = marshal.loads(packed)  # noqa: S302 - just created
        self.fill(made)
        _keep(self._filled, marshal.dumps(made, 2))
        return made

    def _pruned(self, name: str, part: Any, *, root: bool) -> bool:
        if part is None:
            child = self.property(name)
            return child is not None and not child._raw.get("nullable")  # noqa: SLF001 - of its own kind
        if self.preserves or self.knows(name):
            return False
        return not ((root or self._embedded) and name in ("apiVersion", "kind", "metadata"))

    def problems(self, value: Any, old: Any = _ABSENT) -> list[str]:
        """Return the problems of an object. Unchanged parts are validated only by transition rules."""
        faults = list(self._faults(value, old, ""))
        if not self.ruled:
            return [fault.text for fault in faults]
        if any(fault.blocks for fault in faults):
            return [*(fault.text for fault in faults), _UNCHECKED]
        return [*(fault.text for fault in faults), *self._broken(value, old, "")]

    def _faults(self, value: Any, old: Any, place: str) -> Iterator[Fault]:
        """Against limits."""
        if old is not _ABSENT and same(value, old):
            return
        if value is None and self._raw.get("nullable"):
            return
        if not self._right_type(value):
            yield self._wrong_type(value, place)
            return
        if isinstance(value, (dict, list)):
            for child, part, before, where in self._parts(value, old, place):
                yield from child._faults(part, before, where)  # noqa: SLF001 - of its own kind
        yield from self._shape(value, place)

    def _broken(self, value: Any, old: Any, place: str) -> Iterator[str]:
        """Return violated rules. An unchanged value that once satisfied its rules still does: rules have no other
        input."""
        if not self.ruled or value is None:
            return
        unchanged = old is not _ABSENT and same(value, old)
        if unchanged:
            packed = marshal.dumps(value, 2)
            if packed in self._kept:
                return
        found = list(self._all_broken(value, old, place, unchanged=unchanged))
        if unchanged and not found:
            _keep(self._kept, packed)
        yield from found

    def _all_broken(self, value: Any, old: Any, place: str, *, unchanged: bool) -> Iterator[str]:
        if isinstance(value, (dict, list)):
            for child, part, before, where in self._parts(value, old, place):
                yield from child._broken(part, before, where)  # noqa: SLF001 - of its own kind
        if self.rules:
            has_old = old is not _ABSENT
            data = {"self": self.seen(value), "oldSelf": self.seen(old) if has_old else None}
            for field, problem in self.rules.broken(data, has_old=has_old, unchanged=unchanged):
                shown = "" if isinstance(value, (dict, list)) else f"{_show(value)}: "
                yield f"{place + field or '<nil>'}: Invalid value: {shown}{problem}"

    @cached_property
    def escapes(self) -> bool:
        """Return whether this node, or a node below, has a field with a name that is reserved in CEL."""
        return _escapes(self._raw)

    def seen(self, value: Any) -> Any:
        """Return the value for rules: field names reserved in CEL are escaped."""
        if not self.escapes:
            return value
        if isinstance(value, dict):
            return {
                f"__{name}__" if name in _RESERVED and name in self._properties else name: (
                    part if (child := self.property(name)) is None else child.seen(part)
                )
                for name, part in value.items()
            }
        if isinstance(value, list) and self.items is not None:
            return [self.items.seen(part) for part in value]
        return value

    def _parts(self, value: dict[str, Any] | list[Any], old: Any, place: str) -> Iterator[tuple[Schema, Any, Any, str]]:
        """Return schema, value, old value and place of every part with a schema."""
        if isinstance(value, dict):
            before = old if isinstance(old, dict) else {}
            for name, part in value.items():
                child = self.property(name)
                if child is not None:
                    yield child, part, before.get(name, _ABSENT), f"{place}.{name}" if place else name
        elif self.items is not None:
            known = self._by_key(old) if self._list_type == "map" and isinstance(old, list) else {}
            for number, part in enumerate(value):
                yield self.items, part, known.get(self._key(part), _ABSENT), f"{place}[{number}]"

    def _wrong_type(self, value: Any, place: str) -> Fault:
        shown = {bool: "boolean", str: "string", int: "integer", float: "number", dict: "object", list: "array"}
        wanted = "integer,string" if self._raw.get("x-kubernetes-int-or-string") else self.type
        kind = shown.get(type(value), "null")
        return _blocking(f'{place}: Invalid value: "{kind}": {place} in body must be of type {wanted}: "{kind}"')

    def _shape(self, value: Any, place: str) -> Iterator[Fault]:
        """Check the node's own limits, without the limits of its parts."""
        raw = self._raw
        if "enum" in raw and not any(same(value, known) for known in raw["enum"]):
            supported = ", ".join(f'"{known}"' for known in raw["enum"])
            yield _blocking(f"{place}: Unsupported value: {_show(value)}: supported values: {supported}")
        if isinstance(value, str):
            fault = self._text(value, place)
            if fault is not None:
                yield fault
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

    def _text(self, value: str, place: str) -> Fault | None:
        """Return the first violated limit."""
        raw = self._raw
        if len(value) > raw.get("maxLength", len(value)):
            return _blocking(f"{place}: Too long: may not be more than {raw['maxLength']} bytes")
        problem_text = f'{place}: Invalid value: "{value}": {place} in body '
        if len(value) < raw.get("minLength", 0):
            return Fault(f"{problem_text}should be at least {raw['minLength']} chars long")
        if "pattern" in raw and not _pattern(raw["pattern"]).search(value):
            return Fault(f"{problem_text}should match '{raw['pattern']}'")
        if raw.get("format") in _FORMATS and not _FORMATS[raw["format"]](value):
            return _blocking(f'{problem_text}must be of type {raw["format"]}: "{value}"')
        return None

    def _number(self, value: float, place: str) -> Iterator[Fault]:
        raw = self._raw
        low, high = raw.get("minimum"), raw.get("maximum")
        problem_text = f"{place}: Invalid value: {value}: {place} in body should be"
        if low is not None and (value < low or (value == low and raw.get("exclusiveMinimum"))):
            yield Fault(f"{problem_text} greater than or equal to {low}")
        if high is not None and (value > high or (value == high and raw.get("exclusiveMaximum"))):
            yield Fault(f"{problem_text} less than or equal to {high}")
        if raw.get("multipleOf") and value % raw["multipleOf"]:
            yield Fault(f"{problem_text} a multiple of {raw['multipleOf']}")

    def _object(self, value: dict[str, Any], place: str) -> Iterator[Fault]:
        raw = self._raw
        for name in raw.get("required") or ():
            if name not in value:
                yield _blocking(f"{place + '.' if place else ''}{name}: Required value")
        if len(value) < raw.get("minProperties", 0):
            least = raw["minProperties"]
            yield Fault(
                f"{place}: Invalid value: {len(value)}: {place} in body should have at least {least} properties"
            )
        if len(value) > raw.get("maxProperties", len(value)):
            yield _too_many(value, place, raw["maxProperties"])

    def _list(self, value: list[Any], place: str) -> Iterator[Fault]:
        raw = self._raw
        if len(value) > raw.get("maxItems", len(value)):
            yield _too_many(value, place, raw["maxItems"])
        if len(value) < raw.get("minItems", 0):
            least = raw["minItems"]
            yield Fault(f"{place}: Invalid value: {len(value)}: {place} in body should have at least {least} items")
        if self._list_type in ("set", "map"):
            seen: list[Any] = []
            for number, part in enumerate(value):
                key = {name: part.get(name) for name in self._keys} if self._list_type == "map" else part
                if key in seen:
                    yield Fault(f"{place}[{number}]: Duplicate value: {json.dumps(key, separators=(',', ':'))}")
                seen.append(key)

    def _junctors(self, value: Any, place: str) -> Iterator[Fault]:
        raw = self._raw
        for part in raw.get("allOf") or ():
            yield from Schema(part)._fits(value, place)  # noqa: SLF001 - of its own kind
        problem_text = f"{place}: Invalid value: {_show(value)}: {place} in body must"
        if raw.get("anyOf") and not any(Schema(part).fit(value) for part in raw["anyOf"]):
            yield Fault(f"{problem_text} validate at least one schema (anyOf)")
        if raw.get("oneOf") and sum(Schema(part).fit(value) for part in raw["oneOf"]) != 1:
            yield Fault(f"{problem_text} validate one and only one schema (oneOf)")
        if raw.get("not") and Schema(raw["not"]).fit(value):
            yield Fault(f"{problem_text} not validate the schema (not)")

    def _fits(self, value: Any, place: str) -> Iterator[Fault]:
        """Check a schema inside allOf, anyOf, oneOf or not: all limits, without rules."""
        return self._faults(value, _ABSENT, place)

    def fit(self, value: Any) -> bool:
        return not any(True for _ in self._fits(value, ""))

    def _key(self, item: Any) -> tuple[Any, ...]:
        return tuple(item.get(key) for key in self._keys) if isinstance(item, dict) else ()

    def _by_key(self, items: Sequence[Any]) -> dict[tuple[Any, ...], Any]:
        return {self._key(item): item for item in items}


def _keep(kept: dict[bytes, None], packed: bytes) -> None:
    """Keep the newest entries."""
    if len(kept) >= _MOST_KEPT:
        with contextlib.suppress(KeyError, StopIteration, RuntimeError):  # a concurrent thread changed it
            del kept[next(iter(kept))]
    kept[packed] = None


def _blocking(text: str) -> Fault:
    return Fault(text, blocks=True)


def _too_many(value: Sized, place: str, most: int) -> Fault:
    return _blocking(f"{place}: Too many: {len(value)}: must have at most {most} item{'' if most == 1 else 's'}")


def _ruled(raw: Any) -> bool:
    if isinstance(raw, Mapping):
        rules = raw.get(_RULES)
        return (isinstance(rules, list) and bool(rules)) or any(
            _ruled(value) for value in raw.values() if isinstance(value, (Mapping, list))
        )
    return isinstance(raw, list) and any(_ruled(value) for value in raw)


def _escapes(raw: Mapping[str, Any]) -> bool:
    properties = raw.get("properties") or {}
    inside = [*properties.values(), raw.get("items"), raw.get("additionalProperties")]
    return not _RESERVED.isdisjoint(properties) or any(_escapes(one) for one in inside if isinstance(one, Mapping))


_RESERVED = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
        *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    )
)


def _show(value: Any) -> str:
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
