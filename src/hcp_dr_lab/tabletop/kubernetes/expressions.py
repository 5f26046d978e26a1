"""x-kubernetes-validations: CEL rules, evaluated by Google's CEL with Kubernetes' additional functions.

Addresses and networks are represented as texts, so `ip` and `cidr` return strings with the members that rules use.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlsplit

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_encoders, ext_math, ext_optional, ext_strings

_DYN, _BOOL, _INT, _STRING = cel.Type.DYN, cel.Type.BOOL, cel.Type.INT, cel.Type.STRING


class RuleError(Exception):
    """A rule that cannot be compiled."""


@dataclass(frozen=True)
class Rule:
    """One entry of x-kubernetes-validations; compiled at its first evaluation."""

    text: str
    message: str
    message_expression: str
    reason: str
    field_path: str
    optional_old: bool

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Rule:
        return cls(
            raw["rule"],
            raw.get("message") or "",
            raw.get("messageExpression") or "",
            raw.get("reason") or "FieldValueInvalid",
            raw.get("fieldPath") or "",
            bool(raw.get("optionalOldSelf")),
        )

    @cached_property
    def transition(self) -> bool:
        return bool(re.search(r"\boldSelf\b", self.text))

    @cached_property
    def optional(self) -> bool:
        """Whether the rule is also evaluated without an old value, with an optional oldSelf."""
        return self.transition and self.optional_old

    def problem(self, data: Mapping[str, Any], *, has_old: bool) -> str | None:
        """Return the problem; None if the rule is satisfied."""
        if self.optional:
            data = {**data, "oldSelf": [data["oldSelf"]] if has_old else []}
        answer = compiled(self.text, optional_old=self.optional).eval(data=data)
        if answer.value() is True:
            return None
        if answer.type() != _BOOL:
            return f"rule evaluation error: {answer.value()}"
        return self._words(data)

    def _words(self, data: Mapping[str, Any]) -> str:
        if self.message_expression:
            answer = compiled(self.message_expression).eval(data=data).value()
            if isinstance(answer, str) and answer.strip():
                return answer
        return self.message or f"failed rule: {self.text}"


@dataclass(frozen=True)
class Rules:
    """All rules of one node. They are first evaluated as one rule: passing a value is slower than most rules."""

    each: tuple[Rule, ...]

    @classmethod
    def read(cls, raw: Sequence[Mapping[str, Any]]) -> Rules:
        return cls(tuple(Rule.read(rule) for rule in raw))

    def __bool__(self) -> bool:
        return bool(self.each)

    def broken(self, data: Mapping[str, Any], *, has_old: bool, unchanged: bool) -> Iterator[tuple[str, str]]:
        """Return field path and message of every violated rule. `data` has self and oldSelf. Transition rules are
        skipped without an old value; for unchanged values only transition rules are evaluated."""
        asked = [
            rule
            for rule in self.each
            if (rule.transition or not unchanged) and (has_old or not rule.transition or rule.optional)
        ]
        plain = [rule for rule in asked if not rule.optional]
        if len(plain) > 1 and compiled(_together(plain)).eval(data=data).value() is True:
            asked = [rule for rule in asked if rule.optional]
        for rule in asked:
            problem = rule.problem(data, has_old=has_old)
            if problem:
                yield rule.field_path, problem


def _together(rules: Sequence[Rule]) -> str:
    return " && ".join(f"({rule.text})" for rule in rules)


@cache
def compiled(text: str, *, optional_old: bool = False) -> cel.Expression:
    """Raises RuleError."""
    if optional_old:
        old = "size(kept) == 0 ? optional.none() : optional.of(kept[0])"
        text = f"cel.bind(kept, oldSelf, cel.bind(oldSelf, {old}, {text}))"
    try:
        return _environment().compile(text)
    except RuntimeError as error:
        raise RuleError(str(error)) from error


@cache
def _environment() -> cel.Env:
    return cel.NewEnv(
        variables={"self": _DYN, "oldSelf": _DYN},
        extensions=[
            ext_strings.ExtStrings(),
            ext_optional.ExtOptional(),
            ext_bindings.ExtBindings(),
            ext_math.ExtMath(),
            ext_encoders.ExtEncoders(),
            cel.CelExtension("kubernetes", _functions()),
        ],
    )


def _functions() -> list[cel.FunctionDecl]:
    return [
        _function("isURL", _BOOL, _is_url),
        _function("url", _STRING, str),
        _function("getScheme", _STRING, lambda text: urlsplit(text).scheme, member=True),
        _function("getHost", _STRING, lambda text: urlsplit(text).netloc.rpartition("@")[2], member=True),
        _function("getHostname", _STRING, lambda text: urlsplit(text).hostname or "", member=True),
        _function("getPort", _STRING, lambda text: str(urlsplit(text).port or ""), member=True),
        _function("getEscapedPath", _STRING, lambda text: urlsplit(text).path, member=True),
        _function("isIP", _BOOL, lambda text: _holds(ipaddress.ip_address, text)),
        _function("isCIDR", _BOOL, lambda text: _holds(_network, text)),
        _function("ip", _STRING, lambda text: str(ipaddress.ip_address(text))),
        _function("cidr", _STRING, lambda text: str(_network(text))),
        _function("family", _INT, lambda text: ipaddress.ip_address(text).version, member=True),
        _function("isLoopback", _BOOL, lambda text: ipaddress.ip_address(text).is_loopback, member=True),
        _function("prefixLength", _INT, lambda text: _network(text).network.prefixlen, member=True),
        _function("masked", _STRING, lambda text: str(_network(text).network), member=True),
        cel.FunctionDecl(
            "ip",
            [_overload("cidr_ip", _STRING, [_STRING], lambda text: str(_network(text).ip), member=True)],
        ),
        cel.FunctionDecl(
            "containsIP", [_overload("contains_ip", _BOOL, [_STRING, _STRING], _contains_address, member=True)]
        ),
        cel.FunctionDecl(
            "containsCIDR", [_overload("contains_cidr", _BOOL, [_STRING, _STRING], _contains_network, member=True)]
        ),
        cel.FunctionDecl("find", [_overload("find", _STRING, [_STRING, _STRING], _find, member=True)]),
        cel.FunctionDecl(
            "isQuantity", [_overload("is_quantity", _BOOL, [_STRING], lambda text: _holds(quantity, text))]
        ),
        cel.FunctionDecl("quantity", [_overload("quantity", cel.Type.DOUBLE, [_STRING], quantity)]),
        _compared("isGreaterThan", lambda one, other: one > other),
        _compared("isLessThan", lambda one, other: one < other),
        cel.FunctionDecl(
            "compareTo",
            [
                _overload(
                    "compare_to",
                    _INT,
                    [cel.Type.DOUBLE, cel.Type.DOUBLE],
                    lambda one, other: (one > other) - (one < other),
                    member=True,
                )
            ],
        ),
        cel.FunctionDecl("sum", [_overload("sum", _DYN, [cel.Type.LIST], sum, member=True)]),
        cel.FunctionDecl(
            "isSorted",
            [_overload("is_sorted", _BOOL, [cel.Type.LIST], lambda items: list(items) == sorted(items), member=True)],
        ),
    ]


def _function(name: str, gives: cel.Type, play: Callable[[str], Any], *, member: bool = False) -> cel.FunctionDecl:
    return cel.FunctionDecl(name, [_overload(f"{name}_string", gives, [_STRING], play, member=member)])


def _compared(name: str, play: Callable[[float, float], bool]) -> cel.FunctionDecl:
    both = [cel.Type.DOUBLE, cel.Type.DOUBLE]
    return cel.FunctionDecl(name, [_overload(f"{name}_quantity", _BOOL, both, play, member=True)])


def _overload(
    name: str, gives: cel.Type, takes: list[cel.Type], play: Callable[..., Any], *, member: bool = False
) -> cel.Overload:
    return cel.Overload(name, return_type=gives, parameters=takes, is_member=member, impl=play)


def _holds(read: Callable[[str], Any], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _network(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    if "/" not in text:
        raise ValueError(f"{text!r} has no prefix length")
    return ipaddress.ip_interface(text)


def _contains_address(network: str, address: str) -> bool:
    return ipaddress.ip_address(address) in _network(network).network


def _contains_network(network: str, other: str) -> bool:
    one, two = _network(network).network, _network(other).network
    return one.version == two.version and bool(two.subnet_of(one))  # type: ignore[arg-type]


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme) or text.startswith("/")


def _find(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    return found[0] if found else ""


_UNITS = {
    **{
        unit: 1000.0**power
        for power, unit in zip(
            (-3, -2, -1, 0, 1, 2, 3, 4, 5, 6), ("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), strict=True
        )
    },
    **{unit: 1024.0**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
_QUANTITY = re.compile(r"(?P<number>[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?)(?P<unit>[A-Za-z]{0,2})")


def quantity(text: str) -> float:
    """Parse a resource quantity like 8Gi into a number. Raises ValueError."""
    found = _QUANTITY.fullmatch(text)
    if not found or found["unit"] not in _UNITS:
        raise ValueError(f"{text!r} is no quantity")
    return float(found["number"]) * _UNITS[found["unit"]]
