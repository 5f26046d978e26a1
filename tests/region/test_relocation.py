"""A whole relocation there, and back phase by phase, judged by the observer."""

from __future__ import annotations

import json
import time
from contextlib import closing
from pathlib import Path

from hcp_dr.engine.journal import FILE_NAME, fold, parse
from hcp_dr.errors import DONE, DONE_WITH_WARNINGS, NothingToResume
from hcp_dr.kube.client import connect
from hcp_dr.kube.resources import CLUSTER_VERSION, HOSTED_CLUSTER, NODE, NODE_POOL, POD
from hcp_dr.procedure.pulling import LABEL
from hcp_dr_lab import drill
from hcp_dr_lab.observer.judge import Verdict
from hcp_dr_lab.observer.measured import ENOUGH_WRITES
from hcp_dr_lab.observer.report import as_text
from hcp_dr_lab.region.layout import MANAGEMENT_CLUSTERS
from tests.region.conftest import Hosted, management, say
from tests.region.machines import Machine

FIRST, SECOND = MANAGEMENT_CLUSTERS


PHASES = (("backup", "--yes"), ("restore",), ("verify",), ("teardown", "--yes"), ("finish",))


def test_there_in_one_and_back_phase_by_phase(hosted: Hosted, tmp_path: Path) -> None:
    there = drill.perform(hosted.layout, hosted.names.name, source=1, tell=say)
    say(as_text(there))
    assert there.reasons == ()
    assert there.verdict.acknowledged > ENOUGH_WRITES
    assert_it_lives_on(hosted, second=True)
    assert_images_were_pulled_ahead(hosted, Path(there.relocation.backup_dir))

    back = phase_by_phase(hosted, tmp_path)
    assert back.nodes_before == there.verdict.nodes_after
    assert_it_lives_on(hosted, second=False)


def assert_images_were_pulled_ahead(hosted: Hosted, backup: Path) -> None:
    """By a real kubelet, and nothing of it is left."""
    pulled = fold(parse((backup / FILE_NAME).read_bytes())).memory.mapping("pulled_images")
    assert pulled is not None
    assert pulled["images"]
    assert (len(pulled["nodes"]), pulled["lacking"]) == (1, {})
    with management(hosted.layout, SECOND) as holder:
        assert holder.list(POD, hosted.names.control_plane_namespace, labels=LABEL).items == ()


def phase_by_phase(hosted: Hosted, tmp_path: Path) -> Verdict:
    """Each phase is a command by itself, and has nothing but the folder that the one before left."""
    observation = drill.Observation(hosted.layout, hosted.names.name, 2, tmp_path / "evidence")
    observation.begin()
    observation.await_writes()
    here = Machine(drill.environment_file(hosted.layout, hosted.names.name, 2, tmp_path))
    for words in PHASES:
        ended = here.run(*words, "-o", "json")
        assert ended.code in (DONE, DONE_WITH_WARNINGS), ended.said
        assert json.loads(ended.result)["command"] == words[0]
    assert here.run("resume").code == NothingToResume.exit_code
    time.sleep(drill.SETTLE_SECONDS)
    verdict = observation.conclude()
    assert verdict.reasons == ()
    assert verdict.acknowledged > ENOUGH_WRITES
    return verdict


def assert_it_lives_on(hosted: Hosted, *, second: bool) -> None:
    """As anybody sees it who asks the three clusters."""
    names = hosted.names
    here, there = (SECOND, FIRST) if second else (FIRST, SECOND)
    with management(hosted.layout, here) as holder:
        assert holder.find(HOSTED_CLUSTER, names.name, names.namespace) is not None
        assert holder.find(NODE_POOL, names.node_pool, names.namespace) is not None
    with management(hosted.layout, there) as other:
        assert other.find(HOSTED_CLUSTER, names.name, names.namespace) is None
    with closing(connect(hosted.layout.hosted_kubeconfig(names.name), "hosted")) as inside:
        assert inside.find(CLUSTER_VERSION, "version") is not None
        assert len(inside.list(NODE).items) == 2
