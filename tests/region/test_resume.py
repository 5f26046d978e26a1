"""The real process killed, again and again, in the middle of what is worst to be killed in."""

from __future__ import annotations

from contextlib import closing

from hcp_dr.errors import DONE, DONE_WITH_WARNINGS
from hcp_dr.kube.client import connect
from hcp_dr.kube.resources import HOSTED_CLUSTER, NODE
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS
from tests.region.conftest import Hosted, instances_of, management
from tests.region.machines import Machine

DEADLY = (
    "backup.pause",
    "restore.machines",
    "backup.fence",
    "backup.snapshot_etcd",
    "restore.start_control_plane",
    "restore.adopt_machines",
    "teardown.stop_control_plane",
    "teardown.machines",
    "teardown.leftovers",
)


def test_killed_in_every_phase_it_ends_as_if_it_never_was(hosted: Hosted) -> None:
    layout, names = hosted.layout, hosted.names
    nodes, instances = identities(hosted), running(hosted)
    here = Machine(drill.environment_file(layout, names.name, 1))

    here.killed(("relocate", "--yes"), "step", DEADLY[0])
    for step in DEADLY[1:]:
        here.killed(("resume",), "step", step)
    assert here.run("resume").code in (DONE, DONE_WITH_WARNINGS)

    assert here.story().ended
    assert identities(hosted) == nodes
    assert running(hosted) == instances
    first, second = MANAGEMENT_CLUSTERS
    with management(layout, first) as source, management(layout, second) as destination:
        assert source.find(HOSTED_CLUSTER, names.name, names.namespace) is None
        assert destination.find(HOSTED_CLUSTER, names.name, names.namespace) is not None


def identities(hosted: Hosted) -> dict[str, tuple[str, str]]:
    """Nodes by name: uid and boot ID."""
    with closing(connect(hosted.layout.hosted_kubeconfig(hosted.names.name), "hosted")) as inside:
        return {
            node["metadata"]["name"]: (node["metadata"]["uid"], node["status"]["nodeInfo"]["bootID"])
            for node in inside.list(NODE).items
        }


def running(hosted: Hosted) -> set[str]:
    """The ids of the hosted cluster's instances that run."""
    return instances_of(hosted.layout, hosted.names)
