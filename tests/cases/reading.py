"""Reads case files: a case may be another one of its folder (`base`) with some facts changed (`change`)."""

from __future__ import annotations

import copy
import pickle
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
PATHS = sorted(FOLDER.glob("*/*.yaml"))
UNDO_PATHS = sorted(FOLDER.glob("*/undo/*.yaml"))


class _As:
    """`!as live`: the data of the fact `live`, of the base where the case has one."""

    def __init__(self, fact: str) -> None:
        self.fact = fact


_Loader: Any = type("_Loader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
_Loader.add_constructor("!as", lambda _, node: _As(node.value))


def read(path: Path) -> dict[str, Any]:
    """The case with its facts whole, without `base` and `change`. Each call gives a copy of its own."""
    case: dict[str, Any] = pickle.loads(_packed(path))  # noqa: S301 - bytes of this process
    return case


@cache
def _packed(path: Path) -> bytes:
    """A file is parsed once in a process: many tests read the same case."""
    return pickle.dumps(_parsed(path))


def _parsed(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = yaml.load(path.read_text("utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    base = case.pop("base", None)
    if base is None:
        case["facts"] = _same(case["facts"], case["facts"])
        return case
    case["facts"] = read(path.with_name(f"{base}.yaml"))["facts"]
    changes = [(place.split("."), _same(value, case["facts"])) for place, value in case.pop("change").items()]
    for place, value in changes:
        _change(case["facts"], place, value)
    return case


def _change(facts: Any, place: list[str], value: Any) -> None:
    """`place` names keys of mappings and numbers of a list's items, a new one too. What is not there is one key."""
    first, rest = place[0], place[1:]
    if isinstance(facts, list):
        key: Any = int(first)
        facts += [None] * (key + 1 - len(facts))
    elif first in facts and rest:
        key = first
    else:
        key, rest = ".".join(place), []
    if rest:
        _change(facts[key], rest, value)
    else:
        facts[key] = value


def _same(value: Any, facts: dict[str, Any]) -> Any:
    if isinstance(value, _As):
        return copy.deepcopy(facts[value.fact])
    if isinstance(value, dict):
        return {key: _same(inner, facts) for key, inner in value.items()}
    if isinstance(value, list):
        return [_same(inner, facts) for inner in value]
    return value
