"""The tabletop's half of the commands; tests/region/test_commands.py is the real one, by a kubelet."""

from __future__ import annotations

import pytest

from hcp_dr_lab.tabletop.world import NAME, World
from tests.contract.commands import COMMANDS, Said, check


@pytest.mark.parametrize("said", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_command_in_a_container(said: Said) -> None:
    world = World.prepared()
    check(world.sides[0].client(), world.residents[NAME].names.control_plane_namespace, said)
