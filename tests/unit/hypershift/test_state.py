"""The page of all that a journal remembers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hcp_dr
from hcp_dr.engine.journal import fold, parse
from hcp_dr.engine.state import Key
from hcp_dr.hypershift import state

KEYS = {value.name: value for value in vars(state).values() if isinstance(value, Key)}
OLD = Path(__file__).parents[1] / "engine" / "journals"
PRODUCT = Path(hcp_dr.__file__).parent
TEXT = st.text(st.characters(codec="utf-8"), max_size=4)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
st.register_type_strategy(str, TEXT)
st.register_type_strategy(float, NUMBER)
st.register_type_strategy(Mapping, lambda kind: st.dictionaries(*map(st.from_type, get_args(kind)), max_size=3))


def values_of(key: Key[Any]) -> st.SearchStrategy[Any]:
    if key is state.ROUTES:
        return st.dictionaries(TEXT, st.dictionaries(TEXT, TEXT))
    kind: Any = key.type
    return st.sampled_from(get_args(kind)) if key is state.DNS else st.from_type(kind)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_each_comes_out_of_the_journal_as_it_went_in(key: Key[Any], data: st.DataObject) -> None:
    value = data.draw(values_of(key))
    assert key.read({key.name: json.loads(json.dumps(key.to_json(value)))}) == value


@pytest.mark.parametrize("path", sorted(OLD.glob("*.jsonl")), ids=lambda path: path.stem)
def test_what_an_older_version_remembered_is_read(path: Path) -> None:
    values = fold(parse(path.read_bytes())).memory.values
    assert {*values} <= {*KEYS}
    assert all(KEYS[name].read(values) is not None for name, value in values.items() if value is not None)


def test_nothing_is_remembered_but_by_the_keys_of_the_page() -> None:
    own = {"engine/state.py", "hypershift/state.py"}
    for path in PRODUCT.rglob("*.py"):
        if path.relative_to(PRODUCT).as_posix() not in own:
            found = re.findall(r"\bRemember\([^)\s]|= Key\(|memory\.values\.get\(", path.read_text("utf-8"))
            assert not found or path.name == "journal.py", path
