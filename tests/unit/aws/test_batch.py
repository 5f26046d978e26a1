"""A batch that Route53 does not take is refused before anything is asked, with figures."""

from __future__ import annotations

from typing import Literal

import pytest

from hcp_dr.aws.batch import MAX_CHARACTERS, MAX_VALUES, check_size
from hcp_dr.aws.port import Record, RecordChange
from hcp_dr.errors import AwsError

Action = Literal["CREATE", "DELETE", "UPSERT"]


def batch(action: Action, count: int, *values: str) -> list[RecordChange]:
    return [RecordChange(action, Record(f"n{number}.example", "A", 30, values)) for number in range(count)]


@pytest.mark.parametrize(
    "changes",
    [
        batch("CREATE", MAX_VALUES, "10.0.0.1"),
        batch("DELETE", MAX_VALUES // 2, "10.0.0.1", "10.0.0.2"),
        batch("UPSERT", MAX_VALUES // 2, "10.0.0.1"),
        batch("CREATE", MAX_VALUES),  # aliases
        batch("CREATE", MAX_CHARACTERS // 100, "x" * 100),
        batch("UPSERT", MAX_CHARACTERS // 200, "x" * 100),
    ],
)
def test_what_just_fits_and_one_more(changes: list[RecordChange]) -> None:
    check_size(changes, "Z1")
    with pytest.raises(AwsError):
        check_size([*changes, *batch("CREATE", 1, "x")], "Z1")


def test_it_is_told_how_much_it_is_and_that_nothing_was_done() -> None:
    with pytest.raises(AwsError) as refused:
        check_size(batch("UPSERT", 501, "10.0.0.1"), "Z1")
    told = refused.value.paragraph()
    assert "1002 values of 8016 characters" in told
    assert "Z1" in told
    assert "n0.example, n1.example, n10.example …" in told
    assert "No record was changed" in told
    assert not refused.value.passing
