"""One region for the whole test run, and one hosted cluster for every test that requests it."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import HOSTED_CLUSTER
from hcp_dr_lab.drill import region as drill
from hcp_dr_lab.ground.layout import (
    MANAGEMENT_CLUSTERS,
    Controllers,
    HostedClusterNames,
    Layout,
    ManagementCluster,
    RegionOptions,
)
from hcp_dr_lab.hosted import cluster
from hcp_dr_lab.hosted.cluster import Options
from hcp_dr_lab.hosted.provision import provision
from hcp_dr_lab.region import lifecycle
from hcp_dr_lab.region.cloud import clients

REGION = f"test-{os.getpid()}"
REQUIRED = "HCP_DR_LAB_REGION_REQUIRED"
CONTROLLERS = Controllers(os.environ.get("HCP_DR_LAB_CONTROLLERS", Controllers.PLAYED))
"""Of every region here: `make test-real-controllers` runs a selection of the tests with the real ones."""

_BROKEN_HANDSHAKES = pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)
"""If a server stops during a TLS handshake, httpcore2 keeps a socket until the garbage collector closes it."""

_numbers = itertools.count(1)
_deleter = ThreadPoolExecutor(1)
_deletions: list[Future[None]] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here need the region. Without it they are skipped, or fail if the caller requires them."""
    unfit = "" if sys.platform == "linux" and os.geteuid() == 0 else "the region needs Linux and root"
    for item in items:
        if not item.path.is_relative_to(Path(__file__).parent):
            continue
        item.add_marker(pytest.mark.region)
        item.add_marker(_BROKEN_HANDSHAKES)
        if unfit and not os.environ.get(REQUIRED):
            item.add_marker(pytest.mark.skip(reason=unfit))


def say(text: str) -> None:
    """Print progress, for `pytest -s` and for reports of failed tests."""
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stdout.flush()


@pytest.fixture(scope="session")
def region() -> Iterator[Layout]:
    """A region without hosted clusters, started and stopped like by the commands."""
    try:
        yield lifecycle.up(REGION, say, options=RegionOptions(controllers=CONTROLLERS))
    finally:
        await_deletions()
        lifecycle.down(REGION, say)
        for folder in drill.backups(lifecycle.folder(REGION)):
            shutil.rmtree(folder)


@dataclass(frozen=True, slots=True)
class Hosted:
    """A hosted cluster in service."""

    layout: Layout
    names: HostedClusterNames


@pytest.fixture
def hosted(region: Layout) -> Iterator[Hosted]:
    """A plain hosted cluster for one test."""
    with in_service(region, Options()) as found:
        yield found


@contextmanager
def in_service(layout: Layout, options: Options) -> Iterator[Hosted]:
    """A hosted cluster of this shape, created on the first management cluster, and finally deleted on either cluster.
    The deletion goes on while the next hosted cluster is created, and ends before that is in a test's hands."""
    name = f"t{next(_numbers)}"
    population = [names for names, _ in cluster.population(name, options)]
    try:
        provision(layout, name, say, options)
        await_deletions()
        yield Hosted(layout, population[0])
    finally:
        _deletions.extend(_deleter.submit(_delete, layout, names) for names in population)


def await_deletions() -> None:
    """Wait until the hosted clusters of earlier tests are deleted."""
    while _deletions:
        _deletions.pop().result()


def _delete(layout: Layout, names: HostedClusterNames) -> None:
    _unprotect(layout, names)
    for each in MANAGEMENT_CLUSTERS:
        with management(layout, each) as holder:
            if holder.find(HOSTED_CLUSTER, names.name, names.namespace) is not None:
                cluster.delete(holder, names)


def _unprotect(layout: Layout, names: HostedClusterNames) -> None:
    """Remove the termination protection that an incomplete relocation has left."""
    ec2 = clients.ec2(layout, outside=True)
    for instance in instances_of(layout, names):
        ec2.modify_instance_attribute(InstanceId=instance, DisableApiTermination={"Value": False})


def instances_of(layout: Layout, names: HostedClusterNames) -> set[str]:
    """Return the IDs of a hosted cluster's running instances."""
    tag = f"tag:kubernetes.io/cluster/{names.infra_id}"
    answer = clients.ec2(layout, outside=True).describe_instances(Filters=[{"Name": tag, "Values": ["owned"]}])
    found = [instance for group in answer["Reservations"] for instance in group["Instances"]]
    return {instance["InstanceId"] for instance in found if instance["State"]["Name"] == "running"}


def management(layout: Layout, which: ManagementCluster) -> AbstractContextManager[Kubernetes]:
    """Return a client of a management cluster, closed at the end of the block."""
    return closing(connect(layout.management_kubeconfig(which), which.name))


def eventually(seen: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until `seen` returns a true value; a failure reports `what`."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)
