"""Another cluster behind a kubeconfig, and a source that somebody brings back in the window: with the real process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

import yaml

from hcp_dr.errors import DONE_WITH_WARNINGS, SameCluster, WrongCluster
from hcp_dr.hypershift.steps import BACKUP_SNAPSHOT_ETCD, POINT_OF_NO_RETURN
from hcp_dr.kube import resources as r
from hcp_dr.kube.port import Kubernetes
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, HostedClusterNames, Layout
from tests.region import hands
from tests.region.conftest import Hosted, eventually, management, say
from tests.region.machines import Machine
from tests.region.test_rights import Line

FIRST, SECOND = MANAGEMENT_CLUSTERS
SOURCE, DESTINATION = "MGMT_KUBECONFIG", "MGMT2_KUBECONFIG"


def test_a_wrong_cluster_and_a_source_that_comes_back_in_the_window(hosted: Hosted, tmp_path: Path) -> None:
    layout, names = hosted.layout, hosted.names
    env_file = drill.environment_file(layout, names.name, 1, tmp_path)
    here = Machine(env_file)
    observation = drill.Observation(layout, names.name, 1, tmp_path / "evidence")
    observation.begin()
    observation.await_writes()

    here.killed(("relocate", "--yes"), "step", BACKUP_SNAPSHOT_ETCD)
    refused_everywhere(layout, here)

    process = here.start("resume")
    try:
        here.reaches(process, "step", POINT_OF_NO_RETURN)
        with management(layout, FIRST) as source, management(layout, SECOND) as destination:
            eventually(lambda: "pausedUntil" not in spec_of(destination, names), 60, "the destination is un-paused")
            bring_back(source, names)
        ended = process.wait(600)
    finally:
        process.kill()
        process.wait()
    assert ended == DONE_WITH_WARNINGS
    assert here.story().memory.values.get("fence_breaches")

    time.sleep(drill.SETTLE_SECONDS)
    verdict = observation.conclude()
    say(json.dumps({"writes lost": len(verdict.lost), "reasons": verdict.reasons}))
    assert verdict.reasons == ()
    assert hands.keepers(hands.zone(layout), names) == {SECOND.external_dns_owner}


def refused_everywhere(layout: Layout, here: Machine) -> None:
    """Each kubeconfig leads to another cluster under the context that the relocation began with; no request writes."""
    told = dict(line.split("=", 1) for line in here.env_file.read_text("utf-8").splitlines() if "=" in line)
    files = {side: Path(told[side]) for side in (SOURCE, DESTINATION)}
    kept = {side: file.read_bytes() for side, file in files.items()}
    before = writes(layout)
    for wrong in ({SOURCE: DESTINATION}, {DESTINATION: SOURCE}, {SOURCE: DESTINATION, DESTINATION: SOURCE}):
        try:
            for side, other in wrong.items():
                files[side].write_text(under_context(kept[other], yaml.safe_load(kept[side])["current-context"]))
            for words in (("resume",), ("abort", "--yes")):
                assert here.run(*words).code in (WrongCluster.exit_code, SameCluster.exit_code), (wrong, words)
        finally:
            for side, file in files.items():
                file.write_bytes(kept[side])
    assert writes(layout) == before


def under_context(kubeconfig: bytes, name: str) -> str:
    """The same cluster and user, as the context of this name."""
    document = yaml.safe_load(kubeconfig)
    [context] = document["contexts"]
    return yaml.safe_dump(document | {"contexts": [context | {"name": name}], "current-context": name})


def writes(layout: Layout) -> list[str]:
    """The requests by which the product's user has written to a management cluster, by the servers' audit logs."""
    return [line.asked for line in lines_of(layout) if line.writes]


def lines_of(layout: Layout) -> Iterable[Line]:
    for each in MANAGEMENT_CLUSTERS:
        for text in layout.audit_log(each).read_text("utf-8").splitlines():
            yield Line(each.name, json.loads(text))


def spec_of(cluster: Kubernetes, names: HostedClusterNames) -> dict[str, object]:
    found = cluster.find(r.HOSTED_CLUSTER, names.name, names.namespace)
    return {"pausedUntil": "absent"} if found is None else found["spec"]


def bring_back(source: Kubernetes, names: HostedClusterNames) -> None:
    """As GitOps does it: the pause is removed and the control plane operator is back."""
    hands.pause(source, r.HOSTED_CLUSTER, names.name, names.namespace, None)
    hands.scale(source, "control-plane-operator", names.control_plane_namespace, 1)
