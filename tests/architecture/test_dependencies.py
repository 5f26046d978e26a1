"""Each dependency has a range, and the lock is in it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
REQUIREMENTS = [
    Requirement(text)
    for text in (
        *PROJECT["project"]["dependencies"],
        *(text for extra in PROJECT["project"]["optional-dependencies"].values() for text in extra),
        *(text for group in PROJECT["dependency-groups"].values() for text in group),
        *PROJECT["build-system"]["requires"],
    )
]
LOCKED = {
    canonicalize_name(name): Version(version)
    for name, version in re.findall(
        r"^([\w.-]+)(?:\[[^]]*\])?==([^ \\]+)", (ROOT / "requirements.lock").read_text("utf-8"), flags=re.MULTILINE
    )
}


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=str)
def test_each_dependency_has_a_range_that_the_lock_is_in(requirement: Requirement) -> None:
    bounds = {bound.operator: Version(bound.version) for bound in requirement.specifier}
    assert set(bounds) == {">=", "<"}
    locked = LOCKED[canonicalize_name(requirement.name)]
    assert locked in requirement.specifier
    assert bounds["<"] == Version(f"{locked.major + 1}"), "the next major version"
