"""A file read once, in pieces of any size."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcp_dr.objects.digest import digest

BODY = b"what etcd wrote" * 40
WHOLE = BODY + hashlib.sha256(BODY).digest()


@pytest.mark.parametrize("size", [1, 7, 31, 32, 33, 64, len(WHOLE) - 1, len(WHOLE), len(WHOLE) + 9])
def test_a_whole_snapshot_is_intact_however_it_comes(size: int) -> None:
    found = digest(WHOLE[place : place + size] for place in range(0, len(WHOLE), size))
    assert (found.size, found.sha256, found.intact) == (len(WHOLE), hashlib.sha256(WHOLE).hexdigest(), True)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 40))
def test_a_snapshot_that_was_cut_off_is_not(end: int, size: int) -> None:
    cut = WHOLE[:end]
    found = digest(cut[place : place + size] for place in range(0, len(cut), size))
    assert (found.size, found.sha256, found.intact) == (end, hashlib.sha256(cut).hexdigest(), False)


def test_nothing_but_a_checksum_is_no_snapshot() -> None:
    assert not digest([hashlib.sha256(b"").digest()]).intact
    assert not digest([]).intact
