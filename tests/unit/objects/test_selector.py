"""Label selectors as controllers take them in a flag."""

from __future__ import annotations

import pytest

from hcp_dr.objects.selector import matches

LABELS = {"app": "api", "example.com/tier": "gold", "empty": ""}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", True),
        ("app=api", True),
        ("app==api", True),
        ("app = api, example.com/tier=gold", True),
        ("app!=api", False),
        ("other!=x", True),
        ("app in (web, api)", True),
        ("app notin (web,api)", False),
        ("other notin (x)", True),
        ("app", True),
        ("other", False),
        ("!other", True),
        ("!app", False),
        ("empty=", True),
        ("app=api,other", False),
        ("app=api other", None),
        ("=x", None),
        ("app in web", None),
    ],
)
def test_which_objects_it_selects(selector: str, expected: object) -> None:
    assert matches(selector, LABELS) is expected
