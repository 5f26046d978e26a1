"""A whole relocation, there and back, judged by the observer."""

from __future__ import annotations

from contextlib import closing

from hcp_dr.kube.client import connect
from hcp_dr.kube.resources import CLUSTER_VERSION, HOSTED_CLUSTER, NODE, NODE_POOL
from hcp_dr_lab import drill
from hcp_dr_lab.observer.measured import ENOUGH_WRITES
from hcp_dr_lab.observer.report import as_text
from hcp_dr_lab.region.layout import MANAGEMENT_CLUSTERS
from tests.region.conftest import Hosted, management, say

FIRST, SECOND = MANAGEMENT_CLUSTERS


def test_there_and_back(hosted: Hosted) -> None:
    there = drill.perform(hosted.layout, hosted.names.name, source=1, tell=say)
    say(as_text(there))
    assert there.reasons == ()
    assert there.verdict.acknowledged > ENOUGH_WRITES
    assert_it_lives_on(hosted, second=True)

    back = drill.perform(hosted.layout, hosted.names.name, source=2, tell=say)
    say(as_text(back))
    assert back.reasons == ()
    assert back.verdict.nodes_before == there.verdict.nodes_after
    assert_it_lives_on(hosted, second=False)


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
