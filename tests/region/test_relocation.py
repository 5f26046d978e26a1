"""A whole relocation there, and back phase by phase, judged by the observer."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from hcp_dr.engine.journal import FILE_NAME, fold, parse
from hcp_dr.hypershift import state
from hcp_dr.hypershift.images.prepull import LABEL
from hcp_dr.kube.client import connect
from hcp_dr.kube.resources import CLUSTER_VERSION, HOSTED_CLUSTER, NODE, NODE_POOL, POD
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS
from tests.region.conftest import Hosted, management
from tests.region.ways import in_one, phase_by_phase

FIRST, SECOND = MANAGEMENT_CLUSTERS


def test_there_in_one_and_back_phase_by_phase(hosted: Hosted, tmp_path: Path) -> None:
    there = in_one(hosted)
    assert_it_lives_on(hosted, second=True)
    assert_images_were_pulled_ahead(hosted, Path(there.relocation.backup_dir))

    back = phase_by_phase(hosted, tmp_path)
    assert back.nodes_before == there.verdict.nodes_after
    assert_it_lives_on(hosted, second=False)


def assert_images_were_pulled_ahead(hosted: Hosted, backup: Path) -> None:
    """By a real kubelet, and nothing of it is left."""
    pulled = fold(parse((backup / FILE_NAME).read_bytes())).memory.get(state.PULLED)
    assert pulled is not None
    assert pulled.images
    assert (len(pulled.nodes), pulled.lacking) == (1, {})
    with management(hosted.layout, SECOND) as holder:
        assert holder.list(POD, hosted.names.control_plane_namespace, labels=LABEL).items == ()


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
