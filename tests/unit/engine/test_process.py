"""A process is gone only where that is proven."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from hcp_dr.engine import process

MINE = process.current()
proven = pytest.mark.skipif(not MINE.mark, reason="this system does not tell")


def test_it_says_who_and_where() -> None:
    assert "@" in MINE.who
    assert MINE.pid == os.getpid()


@proven
def test_this_one_lives() -> None:
    assert not process.is_gone(MINE.mark)


@proven
def test_one_that_ran_here_and_ended_is_gone_and_so_is_one_whose_number_another_has() -> None:
    place, pid, began = MINE.mark.split("/")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert process.is_gone(f"{place}/{ended.pid}/{began}")
    assert process.is_gone(f"{place}/{pid}/{int(began) - 1}")


@pytest.mark.parametrize(
    "words",
    ["another-{place}/{pid}/1", "{place}0/4194304/1", "", "/1/1", "{place}/x/1", "{place}/1", "{place}/4194304/"],
)
def test_everything_else_is_no_proof(words: str) -> None:
    place, pid, began = (MINE.mark or "a/1/1").split("/")
    assert not process.is_gone(words.format(place=place, pid=pid, began=began))
