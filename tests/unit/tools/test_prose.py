"""The prose check, over texts of its own."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

TOOL = Path(__file__).parents[3] / "tools" / "prose.py"


@pytest.fixture(scope="module")
def prose() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(TOOL)))


@pytest.mark.parametrize(
    ("markdown", "found"),
    [
        ("The engineer reads the report.", []),
        ("Whoever reads it", [(1, "whoever")]),
        ("one line\nand what somebody\nsaid", [(2, "somebody"), (3, "said")]),
        ("It was called off.", [(1, "called off")]),
        ("We recommend to amend it.", []),
        ("Run `told`.", []),
        ("```sh\necho told\n```\ntold", [(4, "told")]),
    ],
)
def test_words_of_a_document(prose: SimpleNamespace, markdown: str, found: list[tuple[int, str]]) -> None:
    assert [each for text in prose.of_document(markdown) for each in prose.findings(text)] == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"""Read a value anew."""', [(1, "anew")]),
        ("def look_at(told: int) -> int:\n    return told", [(1, "look_at"), (1, "told")]),
        ("was_told = 1", [(1, "told")]),
        ("foretold = 1", []),
        ("x = f'{y} is mended now'", [(1, "mended")]),
        ("x = 1  # nobody knows", [(1, "nobody")]),
        ("x = 'told'", []),
    ],
)
def test_words_and_names_of_a_module(prose: SimpleNamespace, source: str, found: list[tuple[int, str]]) -> None:
    assert [each for text in prose.of_module(source) for each in prose.findings(text)] == found


def test_density_counts_the_words_that_point(prose: SimpleNamespace) -> None:
    texts = prose.of_document("What it is that they hold is whose it was")
    assert prose.density(texts) == pytest.approx(60.0)  # what, it, that, they, whose, it
