"""Keys of what the journal remembers: a value comes out as it went in, or is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from hcp_dr.engine.journal import RunState
from hcp_dr.engine.state import Key
from hcp_dr.errors import NotOurs


@dataclass(frozen=True, slots=True)
class Pods:
    names: tuple[str, ...]
    at: float | None = None
    replicas: Mapping[str, int | None] = field(default_factory=dict)


PODS = Key("pods", Pods)


@pytest.mark.parametrize("value", [Pods(()), Pods(("a", "b"), 1.5, {"x": None, "y": 2})])
def test_a_value_comes_out_as_it_went_in(value: Pods) -> None:
    action = PODS.remember(value)
    assert action.key == "pods"
    assert RunState().with_value("pods", json.loads(json.dumps(action.value))).get(PODS) == value
    assert RunState().with_remembered(action).get(PODS) == value


def test_what_is_not_there_is_none() -> None:
    assert RunState().get(PODS) is None
    assert not RunState().has(PODS)
    assert not RunState().with_value("pods", None).has(PODS)
    assert RunState().with_remembered(PODS.remember(Pods(()))).has(PODS)


def test_fields_of_another_version_do_not_count() -> None:
    assert RunState().with_value("pods", {"names": ["a"], "later": 1}).get(PODS) == Pods(("a",))


@pytest.mark.parametrize(
    "value",
    ["x", 7, [], {}, {"names": "a"}, {"names": [1]}, {"names": [], "at": "1"}, {"names": [], "replicas": {"x": True}}],
)
def test_a_value_of_another_form_is_refused(value: Any) -> None:
    with pytest.raises(NotOurs, match="a value that does not belong to this hosted cluster: pods is "):
        RunState().with_value("pods", value).get(PODS)
