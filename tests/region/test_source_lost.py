"""The source management cluster dies for good after an online backup, and comes back when nobody needs it any more."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from hcp_dr.engine import journal
from hcp_dr.errors import DONE, DONE_WITH_WARNINGS, SourceAnswers
from hcp_dr.hypershift.state import SOURCE_LOST
from hcp_dr.kube import resources as r
from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout
from hcp_dr_lab.hosted.cluster import Options
from hcp_dr_lab.observer.evidence import Write
from hcp_dr_lab.observer.foreign import STRANGER
from hcp_dr_lab.observer.writes import longest_gap
from hcp_dr_lab.region import lifecycle
from hcp_dr_lab.region.control import Control
from tests.region.conftest import Hosted, eventually, in_service, management, say
from tests.region.hands import is_protected, keepers, pause, pods, scale, zone
from tests.region.test_faults import told
from tests.region.test_resume import identities, running
from tests.region.test_rights import since
from tests.region.test_shapes import run_in_etcd, seen_of

FIRST, SECOND = MANAGEMENT_CLUSTERS
APIS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
AWAY = 5.0
"""Seconds for which no API server can be away and back again."""
TO_SCALE = re.compile(r"scale, as far as they exist, Deployments ([a-z, -]+) of (\S+) to zero, in this order")


@contextmanager
def brought_back(layout: Layout) -> Iterator[Control]:
    """Whatever was stopped of the source runs again at the end."""
    control = Control(layout)
    try:
        yield control
    finally:
        control.start(FIRST.name)
        eventually(lambda: lifecycle.status(layout.name)[1].serves, 120, "every part serves again")


@pytest.mark.long
def test_it_comes_back_from_an_online_backup_and_the_source_that_returns_harms_nobody(
    region: Layout, tmp_path: Path
) -> None:
    with in_service(region, Options()) as hosted, brought_back(region) as control:
        names, state = hosted.names, {"XDG_STATE_HOME": str(tmp_path / "state")}
        env_file = drill.environment_file(region, names.name, 1)
        nodes, instances = identities(hosted), running(hosted)
        observation = drill.Observation(region, names.name, 1, tmp_path / "evidence")
        observation.begin()
        observation.await_writes()

        write(hosted, "before-the-backup")
        as_it_was = seen_of(region, names)["objects"]
        asked = since(hosted, lambda: back_up(env_file, state))
        place, lease = names.control_plane_namespace, f"leases default/hcp-dr-{names.control_plane_namespace}"
        assert {line.asked for line in asked if line.writes} == {
            f"{FIRST.name}: get pods/exec {place}/etcd-0",
            *(f"{side.name}: {verb} {lease}" for side in MANAGEMENT_CLUSTERS for verb in ("create", "patch")),
            *(f"{side.name}: create secrets default/hcp-dr-{place}" for side in MANAGEMENT_CLUSTERS),
            *(f"hosted: create configmaps default/{each}" for each in ("hcp-dr-relocation", "mgmt-parent-cluster")),
        }
        assert seen_of(region, names)["objects"] == as_it_was
        assert b"snapshot" not in run_in_etcd_of_source(hosted, "ls /var/lib/data")
        assert longest_gap(writes(observation), time.time()) < AWAY
        write(hosted, "after-the-backup")

        restore = ("restore", "--source-lost", "--reason", "its site burns", "--yes")
        ended, said = told(restore, env_file, **state)
        assert ended == SourceAnswers.exit_code
        control.stop(f"{FIRST.name}/kube-apiserver")
        ended, said = told(restore, env_file, **state)
        assert ended == SourceAnswers.exit_code
        assert "still takes writes (the probe was answered)" in said

        control.stop(FIRST.name)
        ended, said = told(restore, env_file, **state)
        assert ended == DONE_WITH_WARNINGS
        assert re.search(r"warning: data_loss: the snapshot is of \S+Z: writes of the last \d+ minutes are lost", said)
        assert (
            "to do: etcd_revision: when everything is Ready, "
            "restart the clients of the API in the hosted cluster: kubelet" in said
        )
        assert identities(hosted) == nodes
        assert running(hosted) == instances
        assert written(hosted) == ["before-the-backup"]
        assert keepers(zone(region), names) == {SECOND.external_dns_owner, STRANGER}

        assert protected(hosted) == instances
        [folder] = (tmp_path / "state" / "hcp-dr" / names.namespace / names.name).iterdir()
        fence_by_hand(hosted, control, said)
        assert told(("teardown", "--yes", "--backup", str(folder)), env_file)[0] in (DONE, DONE_WITH_WARNINGS)
        assert told(("finish", "--backup", str(folder)), env_file)[0] in (DONE, DONE_WITH_WARNINGS)
        verdict = observation.conclude()
        say("\n".join(verdict.reasons))
        losing, source_alone = verdict.reasons
        assert losing.startswith(f"{len(verdict.lost)} acknowledged writes are lost")
        assert source_alone.startswith(f"split brain: the source {FIRST.name} acknowledged")
        assert f"after the snapshot that was restored on the destination {SECOND.name}" in source_alone
        assert first_lost(writes(observation), verdict.lost) > moment_of(folder)
        assert protected(hosted) == set()


def back_up(env_file: Path, state: dict[str, str]) -> None:
    assert told(("backup", "--online"), env_file, **state)[0] in (DONE, DONE_WITH_WARNINGS)


def write(hosted: Hosted, name: str) -> None:
    with closing(connect(hosted.layout.hosted_kubeconfig(hosted.names.name), "hosted")) as inside:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}
        inside.create(r.CONFIG_MAP, body)


def written(hosted: Hosted) -> list[str]:
    with closing(connect(hosted.layout.hosted_kubeconfig(hosted.names.name), "hosted")) as inside:
        found = [item["metadata"]["name"] for item in inside.list(r.CONFIG_MAP, "default").items]
    return [name for name in found if name.endswith("-the-backup")]


def writes(observation: drill.Observation) -> list[Write]:
    text = (observation.folder / "write.jsonl").read_text("utf-8")
    return [Write(**json.loads(line)) for line in text.splitlines()]


def first_lost(seen: list[Write], lost: tuple[str, ...]) -> float:
    """When the first of the writes was acknowledged that are not there any more."""
    last: dict[str, float] = {}
    for each in seen:
        if each.acknowledged and each.name in lost:
            last[each.name] = each.ended
    return min(last.values())


def moment_of(folder: Path) -> float:
    """From which on, as the product said, writes are lost."""
    story = journal.read(folder)
    assert story is not None
    lost = story.memory.get(SOURCE_LOST)
    assert lost is not None
    return lost.at


def protected(hosted: Hosted) -> set[str]:
    """Those of its instances that EC2 would not terminate."""
    return {instance for instance in running(hosted) if is_protected(hosted.layout, instance)}


def run_in_etcd_of_source(hosted: Hosted, script: str) -> bytes:
    with management(hosted.layout, FIRST) as source:
        return run_in_etcd(source, hosted.names, script)


def fence_by_hand(hosted: Hosted, control: Control, said: str) -> None:
    """What the product says must be done by hand: the source's nodes stay off until the hosted cluster is paused there
    and the Deployments that it names have no pods."""
    names = hosted.names
    found = TO_SCALE.search(" ".join(said.split()))
    assert found is not None, said
    place = found[2]
    for part in APIS:
        control.start(f"{FIRST.name}/{part}")
    with management(hosted.layout, FIRST) as source:
        pause(source, r.HOSTED_CLUSTER, names.name, names.namespace)
        for pool in names.node_pools:
            pause(source, r.NODE_POOL, pool, names.namespace)
        pause(source, r.HOSTED_CONTROL_PLANE, names.name, place)
        there = {item["metadata"]["name"] for item in source.list(r.DEPLOYMENT, place).items}
        stopped = [name for name in found[1].split(", ") if name in there]
        for name in stopped:
            scale(source, name, place, 0)
        control.start(FIRST.name)
        eventually(partial(_is_stopped, source, stopped, place), 180, "what was scaled has no pod")


def _is_stopped(source: Kubernetes, names: list[str], place: str) -> bool:
    return not any(pods(source, name, place) for name in names)
