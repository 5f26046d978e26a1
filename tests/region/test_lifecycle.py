"""Up, status and down; and that nothing is left, however a region ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hcp_dr.kube.resources import NODE
from hcp_dr_lab.ground.errors import NoRegion
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, Layout, ManagementCluster
from hcp_dr_lab.region import host, lifecycle
from hcp_dr_lab.region.machines import cgroups
from tests.region.conftest import REGION, eventually, management, say

SMALL = f"{REGION}-small"


@pytest.fixture
def small() -> Iterator[Layout]:
    """A region to be ended."""
    try:
        yield lifecycle.up(SMALL, say)
    finally:
        lifecycle.down(SMALL, say)


def test_up_twice_is_the_same_region(region: Layout) -> None:
    before = first_process(region)
    assert lifecycle.up(REGION, say) == region
    assert first_process(region) == before


def test_status_tells_of_every_part(region: Layout) -> None:
    command = (str(Path(sys.executable).with_name("hcp-dr-lab")), "status", "--name", REGION)
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert f"region {REGION}: ready" in told
    for part in ("aws", "s3", "names", "hypervisor", "mgmt-1/kube-apiserver", "mgmt-2/node"):
        assert part in told
    assert region.name == REGION


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine")
@pytest.mark.parametrize("cluster", MANAGEMENT_CLUSTERS, ids=lambda cluster: cluster.name)
def test_plain_kubectl_reaches_the_management_clusters(region: Layout, cluster: ManagementCluster) -> None:
    file = str(region.management_kubeconfig(cluster))
    told = kubectl(file, "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}")
    assert told == cluster.node_name
    assert "hostedclusters" in kubectl(file, "api-resources", "--api-group=hypershift.openshift.io")


def test_the_nodes_have_boot_ids_of_their_own(region: Layout) -> None:
    told: set[str] = set()
    for which in MANAGEMENT_CLUSTERS:
        with management(region, which) as cluster:
            told.update(node["status"]["nodeInfo"]["bootID"] for node in cluster.list(NODE).items)
    told.add(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    assert len(told) == 3


def test_the_death_of_the_first_process_leaves_nothing(small: Layout) -> None:
    os.kill(first_process(small), signal.SIGKILL)
    eventually(lambda: not processes(small), 20, "all processes of the region are gone")
    assert str(small.root) not in Path("/proc/mounts").read_text()
    # Half a second as a rule; but a connection whose other end went first keeps its network until TCP gives it up.
    eventually(lambda: host.host_link(small.number) not in host.link_names(), 150, "the link into the region is gone")
    with pytest.raises(NoRegion):
        lifecycle.status(SMALL)
    lifecycle.down(SMALL, say)
    lifecycle.down(SMALL, say)
    assert cgroups.existing(small.cgroup) == []
    assert not small.root.exists()


def first_process(layout: Layout) -> int:
    pid: int = json.loads((layout.root / "process.json").read_text())["pid"]
    return pid


def processes(layout: Layout) -> list[str]:
    """The command lines that name the region's folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{layout.root}/" in words:
            found.append(words)
    return found


def kubectl(file: str, *words: str) -> str:
    done = subprocess.run(
        ("kubectl", "--kubeconfig", file, *words), capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout
