"""The changelog, and the fragments that are collected into it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tools.changelog import collected, fragments, group_of

from hcp_dr import __version__

ROOT = Path(__file__).parents[2]


def test_the_changelog_is_of_this_version() -> None:
    versions = re.findall(r"^## \[(.+?)\] - (unreleased|\d{4}-\d\d-\d\d)$", _changelog(), flags=re.MULTILINE)
    assert len(versions) == _changelog().count("\n## ")
    assert not versions or versions[0][0] == __version__


def test_each_change_is_one_sentence_under_a_heading_of_a_changelog() -> None:
    for fragment in fragments(ROOT / "changes.d"):
        assert group_of(fragment)
        assert fragment.read_text("utf-8").strip().endswith((".", "`")), fragment.name


def test_changes_are_collected_again_and_again() -> None:
    head = "# Changelog\n\nWords.\n"
    once = collected(head, "0.1.0", {"fixed": ["- b"], "added": ["- a"]})
    assert once == f"{head}\n## [0.1.0] - unreleased\n\n### Added\n\n- a\n\n### Fixed\n\n- b\n"
    twice = collected(once, "0.1.0", {"added": ["- c"]})
    assert twice == once.replace("- a\n", "- a\n- c\n")
    assert collected(twice, "0.1.0", {}) == twice
    released = twice.replace("unreleased", "2026-12-01")
    later = collected(released, "0.2.0", {"security": ["- d"]})
    assert later == released.replace("## [0.1.0]", "## [0.2.0] - unreleased\n\n### Security\n\n- d\n\n## [0.1.0]")


def test_a_heading_that_no_changelog_has_is_refused() -> None:
    assert group_of(Path("a.md")) == "added"
    assert group_of(Path("a.fixed.md")) == "fixed"
    with pytest.raises(ValueError, match="mended"):
        group_of(Path("a.mended.md"))


def _changelog() -> str:
    return (ROOT / "CHANGELOG.md").read_text("utf-8")
