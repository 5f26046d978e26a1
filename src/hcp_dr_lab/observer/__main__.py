"""One observation of one hosted cluster, as a process of the region.

Arguments: the region's folder, the hosted cluster, the number of the management cluster that it is to leave, and the
folder of the observation. It ends by order, by SIGTERM, or by itself after LONGEST seconds, each time with a verdict.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hcp_dr.kube.client import connect
from hcp_dr_lab.observer import leftovers
from hcp_dr_lab.observer.api import HostedApi
from hcp_dr_lab.observer.evidence import Recorder
from hcp_dr_lab.observer.files import Files, Progress
from hcp_dr_lab.observer.judge import judge
from hcp_dr_lab.observer.watch import NAMESPACE, Watch
from hcp_dr_lab.region import layout as region_layout
from hcp_dr_lab.region.cloud import clients
from hcp_dr_lab.region.layout import HOSTED_DOMAIN, MANAGEMENT_CLUSTERS, HostedClusterNames, Layout

LONGEST = 1800.0
BEGIN_SECONDS = 60.0
READ_SECONDS = 45.0

_Read = TypeVar("_Read")


class Observation:
    """From the first whole sight to the verdict."""

    def __init__(self, layout: Layout, names: HostedClusterNames, source: int, files: Files) -> None:
        self._layout = layout
        self._names = names
        self._source, self._destination = sorted(MANAGEMENT_CLUSTERS, key=lambda cluster: cluster.number != source)
        self._files = files
        self._run = f"seen-{int(time.time())}"
        self._recorder = Recorder(files.folder)
        self._api = HostedApi(layout.hosted_kubeconfig(names.name), files.folder)
        self._watch = Watch(layout, names, self._api, self._recorder)
        self._ended = False

    def end(self, *_: object) -> None:
        """By signal."""
        self._ended = True

    def perform(self) -> None:
        self._tell("waiting")
        _insist(self._begin, BEGIN_SECONDS)
        self._watch.start(self._run)
        deadline = time.monotonic() + LONGEST
        while not self._ended and not self._files.stop_ordered() and time.monotonic() < deadline:
            self._tell("watching")
            time.sleep(0.2)
        self._watch.stop()
        stopped = time.time()
        self._tell("reading")
        _quietly(self._watch.look)
        evidence = self._recorder.evidence(
            sides=(self._source.name, self._destination.name),
            stopped=stopped,
            read_back=_quietly(lambda: self._watch.read_back(self._run)),
            source_left=_quietly(self._left),
        )
        self._files.conclude(judge(evidence))
        self._tell("done")

    def fail(self, error: BaseException) -> None:
        self._tell("failed", f"{type(error).__name__}: {error}")

    def _begin(self) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        answer = self._api.ask("POST", "/api/v1/namespaces", body, timeout=5)
        if not answer.good and answer.status != 409:
            raise OSError(f"the hosted API does not take the namespace {NAMESPACE}: {answer.detail}")
        if not self._watch.targets():
            raise OSError("no workload pod of the hosted cluster is running")
        self._watch.look()

    def _left(self) -> tuple[str, ...]:
        client = connect(self._layout.inside_kubeconfig(self._source), self._source.name)
        found = leftovers.on_cluster(client, self._names)
        found += leftovers.in_zone(_zone(self._layout), self._source.external_dns_owner, self._names)
        return tuple(found)

    def _tell(self, phase: str, said: str = "") -> None:
        self._files.tell(Progress(phase, self._recorder.acknowledged(), said))


def _zone(layout: Layout) -> list[tuple[str, str, tuple[str, ...]]]:
    client = clients.route53(layout)
    zones = client.list_hosted_zones_by_name(DNSName=HOSTED_DOMAIN)["HostedZones"]
    pages = client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zones[0]["Id"])
    return [
        (record["Name"], record["Type"], tuple(value["Value"] for value in record.get("ResourceRecords", ())))
        for page in pages
        for record in page["ResourceRecordSets"]
    ]


def _insist(work: Callable[[], _Read], seconds: float) -> _Read:
    """Try again until it succeeds; what hinders it at the end is raised."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return work()
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _quietly(work: Callable[[], _Read]) -> _Read | None:
    """None where it cannot be read in time: the judge then says so."""
    try:
        return _insist(work, READ_SECONDS)
    except Exception as error:  # noqa: BLE001
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return None


def main() -> None:
    root, cluster, source, folder = sys.argv[1:]
    layout = region_layout.load(Path(root))
    files = Files(Path(folder))
    files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = region_layout.recorded(layout, cluster)
    names = known.names if known is not None else HostedClusterNames(cluster)
    observation = Observation(layout, names, int(source), files)
    signal.signal(signal.SIGTERM, observation.end)
    try:
        observation.perform()
    except Exception as error:
        observation.fail(error)
        raise


if __name__ == "__main__":
    main()
