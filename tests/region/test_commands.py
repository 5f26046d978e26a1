"""Commands in a container, by a real kubelet: what tests/contract/test_commands.py holds the tabletop to."""

from __future__ import annotations

from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS
from tests.contract.commands import COMMANDS, check
from tests.region.conftest import Hosted, management


def test_commands_in_a_container(hosted: Hosted) -> None:
    """One test for all of them, since each hosted cluster is made for its test."""
    with management(hosted.layout, MANAGEMENT_CLUSTERS[0]) as holder:
        for said in COMMANDS.values():
            check(holder, hosted.names.control_plane_namespace, said)
