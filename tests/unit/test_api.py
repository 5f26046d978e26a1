"""What `hcp_dr` names is there, and each command of the command line is among it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hcp_dr
from hcp_dr.cli import app

DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
ONLY_PRINTED = {"rbac", "report"}
"""rbac prints what is known without any cluster; report is read_report."""


def test_its_names_are_sorted_and_each_has_one_home() -> None:
    assert hcp_dr.__all__ == sorted(hcp_dr.__all__)
    assert sorted(hcp_dr._HOMES) == hcp_dr.__all__


@pytest.mark.parametrize("name", hcp_dr.__all__)
def test_each_is_there_with_a_docstring(name: str) -> None:
    thing = getattr(hcp_dr, name)
    assert thing.__name__ == name
    assert thing.__doc__


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute relocation"):
        getattr(hcp_dr, "relocation")  # noqa: B009


def test_each_command_is_a_function_and_each_function_is_documented() -> None:
    commands = {str(command.callback.__name__) for command in app.registered_commands if command.callback}
    assert commands - ONLY_PRINTED <= set(hcp_dr.__all__)
    functions = {name for name in hcp_dr.__all__ if name.islower()} - {"from_environment"}
    assert functions <= set(re.findall(r"`(\w+)\(", DOCUMENT))
