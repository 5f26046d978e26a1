"""Where the data of two objects differ, told without what they hold."""

from __future__ import annotations

import pytest

from hcp_dr.objects.difference import describe_differences

TEXT = "one\ntwo\nthree\nfour\nfive\n"


@pytest.mark.parametrize(
    ("found", "places"),
    [
        ({"a": TEXT}, ()),
        ({}, ("a: missing there",)),
        ({"a": TEXT, "b": "x"}, ("b: there only",)),
        ({"a": TEXT.replace("two", "2")}, ("a: there lines 2 differ",)),
        ({"a": TEXT.replace("two\nthree", "2\n3")}, ("a: there lines 2 to 3 differ",)),
        ({"a": "zero\n" + TEXT.replace("five\n", "")}, ("a: there lines 1, before 6 differ",)),
        ({"a": TEXT.replace("\n", "\r\n")}, ("a: there only the line ends differ",)),
    ],
)
def test_texts_are_compared_by_line(found: dict[str, str], places: tuple[str, ...]) -> None:
    assert describe_differences({"a": TEXT}, found, lines=True) == places


def test_what_is_no_text_is_told_by_its_key() -> None:
    assert describe_differences({"a": "b25l"}, {"a": "dHdv"}, lines=False) == ("a",)
