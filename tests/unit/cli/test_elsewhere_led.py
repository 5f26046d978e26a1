"""From the command line: a kubeconfig that leads to another management cluster by now is refused by every command that
goes on with a relocation, before anything is written there."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcp_dr.errors import WrongCluster
from tests.ports import CASE, World
from tests.unit.cli.conftest import Hcp
from tests.unit.engine.test_journal_lines import BEGIN, DONE, written

pytestmark = pytest.mark.usefixtures("connected")
ENDED = ({"at": 3.0, "line": "end"},)
GOES_ON: dict[str, tuple[list[str], tuple[dict[str, object], ...]]] = {
    "resume": (["resume"], ()),
    "abort": (["abort", "--yes"], ()),
    "restore": (["restore"], ENDED),
    "verify": (["verify"], ENDED),
    "teardown": (["teardown", "--yes"], ENDED),
    "finish": (["finish"], ENDED),
}


@pytest.mark.parametrize("side", ["source", "destination"])
@pytest.mark.parametrize("verb", GOES_ON)
def test_nothing_is_gone_on_with_elsewhere(hcp: Hcp, world: World, folder: Path, *, verb: str, side: str) -> None:
    words, ended_before = GOES_ON[verb]
    written(folder, BEGIN, {"at": 1.5, "line": "step", "step": "backup.pause"}, DONE, *ended_before)
    cluster = {"source": world.source, "destination": world.destination}[side]
    cluster.put({"Namespace kube-system": {"uid": "uid-of-another"}})
    ended = hcp(*words)
    assert ended.code == WrongCluster.exit_code
    known = CASE.source_uid if side == "source" else CASE.destination_uid
    assert f"its namespace kube-system has uid uid-of-another, and the journal has {known}" in ended.paragraph
    assert f"Point {'MGMT_KUBECONFIG' if side == 'source' else 'MGMT2_KUBECONFIG'} at the cluster" in ended.paragraph
    assert cluster.asked == []


def test_what_begins_names_who_they_are(hcp: Hcp, world: World) -> None:
    """A relocation and a backup find out by themselves; both kubeconfigs on one cluster are refused."""
    world.destination.put({"Namespace kube-system": {"uid": "uid-of-mgmt-1"}})
    for verb in ("preflight", "plan", "relocate", "backup"):
        assert hcp(verb, *(["--yes"] if verb in ("relocate", "backup") else [])).code == 5
    assert world.written == []
