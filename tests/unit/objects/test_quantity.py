"""Kubernetes' quantities in all their forms."""

from __future__ import annotations

import pytest

from hcp_dr.objects.quantity import gibibytes, number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("100m", 0.1), ("2", 2.0), (4, 4.0), ("1.5", 1.5), ("1Ki", 1024.0), ("16Gi", 16 * 2**30), ("1k", 1000.0)),
        *(("1e3", 1000.0), ("1E3", 1000.0), ("2E", 2e18), ("129M", 129e6), ("0", 0.0)),
        *(("", 0.0), ("much", 0.0), ("1.2.3", 0.0), (None, 0.0)),
    ],
)
def test_a_quantity_is_a_number(text: object, value: float) -> None:
    assert number(text) == pytest.approx(value)


def test_bytes_are_told_to_people() -> None:
    assert gibibytes(1.5 * 2**30) == "1.5 GiB"
