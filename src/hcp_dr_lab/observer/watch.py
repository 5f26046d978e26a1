"""The observer's eyes and hands: threads that write, probe and look until they are told to stop.

Every thread goes on after every failure, because failures are what it is here to see; each is bounded in count.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import NODE, POD
from hcp_dr_lab.hosted.content import WORKLOAD_LABEL, WORKLOAD_NAMESPACE, WORKLOAD_PORT
from hcp_dr_lab.observer.api import HostedApi
from hcp_dr_lab.observer.evidence import Probe, Readiness, Recorder, Sight, Write
from hcp_dr_lab.region.cloud import clients
from hcp_dr_lab.region.layout import MANAGEMENT_CLUSTERS, HostedClusterNames, Layout, ManagementCluster
from hcp_dr_lab.region.machines.hypervisor import parse, workers

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

NAMESPACE = "observer"
WRITERS = 4
WRITE_PERIOD = 0.4  # of each writer, so ten writes a second in all
WRITE_TIMEOUT = 2.0
MOST_WRITES = 5000  # of each writer
READY_PERIOD = 0.25
READY_TIMEOUT = 1.0
MOST_ADDRESSES = 32
API_SERVER_PORT = 6443
WORKLOAD_PERIOD = 0.5
WORKLOAD_TIMEOUT = 5.0  # no answer within this, twice in a row, is a failed workload
LOOK_PERIOD = 0.5
CONTAINERS_PERIOD = 2.0


class Watch:
    """Everything that goes on between `start` and `stop`."""

    def __init__(self, layout: Layout, names: HostedClusterNames, api: HostedApi, recorder: Recorder) -> None:
        self._layout = layout
        self._names = names
        self._api = api
        self._recorder = recorder
        self._ec2 = clients.ec2(layout)
        self._hosted = connect(api.kubeconfig, "hosted")
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._last: dict[str, Sight] = {}

    def start(self, run: str) -> None:
        """Begin. `run` tells the ConfigMaps of this observation from others'."""
        for number in range(WRITERS):
            self._go(self._write, run, number)
        for cluster in MANAGEMENT_CLUSTERS:
            self._go(self._discover, cluster)
        for target, address in self.targets().items():
            self._go(self._every, WORKLOAD_PERIOD, partial(self._probe, target, address))
        self._go(self._every, LOOK_PERIOD, self._look_at_instances)
        self._go(self._every, CONTAINERS_PERIOD, self._look_at_nodes)

    def stop(self) -> None:
        """End, and wait for the threads: each is held up at most by the timeout of what it asks."""
        self._stop.set()
        for thread in list(self._threads):
            thread.join(WORKLOAD_TIMEOUT + 1)

    def targets(self) -> dict[str, str]:
        """The workload's running pods, and their addresses."""
        pods = self._hosted.list(POD, WORKLOAD_NAMESPACE, labels=WORKLOAD_LABEL).items
        running = [pod for pod in pods if pod["status"].get("phase") == "Running" and pod["status"].get("podIP")]
        return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in running}

    def look(self) -> Sight:
        """One whole sight, recorded; raises when something cannot be read."""
        sight = replace(self._instances(), at=time.time(), **self._nodes())
        self._recorder.add(sight)
        return sight

    def read_back(self, run: str) -> dict[str, int]:
        """All ConfigMaps of this observation, by name, with their content; raises when they cannot be read."""
        found: dict[str, int] = {}
        token = ""
        while True:
            path = f"/api/v1/namespaces/{NAMESPACE}/configmaps?labelSelector=observer%3D{run}&limit=500"
            answer = self._api.ask("GET", path + (f"&continue={token}" if token else ""), timeout=10)
            if not answer.good:
                raise OSError(f"the ConfigMaps cannot be listed: {answer.detail}")
            page = answer.json()
            for item in page["items"]:
                found[item["metadata"]["name"]] = int(item["data"]["sequence"])
            token = page["metadata"].get("continue", "")
            if not token:
                return found

    def _go(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _every(self, period: float, work: Callable[[], None]) -> None:
        while not self._stop.wait(period):
            with contextlib.suppress(Exception):  # what cannot be read now is read later, or is missing in the end
                work()

    def _write(self, run: str, number: int) -> None:
        """New ConfigMaps, and newer content for those before, in turn.

        A name whose write was not acknowledged is never written again: that write may still arrive.
        """
        kept: deque[tuple[str, int]] = deque()
        self._stop.wait(number * WRITE_PERIOD / WRITERS)
        for turn in range(1, MOST_WRITES + 1):
            due = time.monotonic() + WRITE_PERIOD
            name, sequence = kept.popleft() if kept and turn % 2 == 0 else (f"{run}-{number}-{turn}", 0)
            if self._write_one(run, name, sequence + 1):
                kept.append((name, sequence + 1))
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return

    def _write_one(self, run: str, name: str, sequence: int) -> bool:
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
        data = {"sequence": str(sequence)}
        started = time.time()
        if sequence == 1:
            metadata = {"name": name, "labels": {"observer": run}}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            answer = self._api.ask("POST", path, body, timeout=WRITE_TIMEOUT)
        else:
            answer = self._api.ask("PATCH", f"{path}/{name}", {"data": data}, timeout=WRITE_TIMEOUT)
        self._recorder.add(Write(name, sequence, started, time.time(), answer.good, answer.detail))
        return answer.good

    def _discover(self, cluster: ManagementCluster) -> None:
        """Every address that a kube-apiserver pod of the hosted cluster ever had there is asked from then on."""
        client = connect(self._layout.inside_kubeconfig(cluster), cluster.name)
        known: set[str] = set()

        def look() -> None:
            for address in _api_server_addresses(client, self._names.control_plane_namespace):
                if address not in known and len(known) < MOST_ADDRESSES:
                    known.add(address)
                    self._go(self._every, READY_PERIOD, partial(self._ask_ready, cluster.name, address))

        self._every(LOOK_PERIOD, look)

    def _ask_ready(self, side: str, address: str) -> None:
        started = time.time()
        answer = self._api.ask("GET", "/readyz", timeout=READY_TIMEOUT, at=(address, API_SERVER_PORT))
        self._recorder.add(Readiness(side, address, started, time.time(), answer.good, answer.detail))

    def _probe(self, target: str, address: str) -> None:
        started = time.time()
        detail = _serves(address)
        self._recorder.add(Probe(target, started, time.time(), not detail, detail))

    def _look_at_instances(self) -> None:
        self._add_if_new("instances", self._instances())

    def _look_at_nodes(self) -> None:
        self._add_if_new("nodes", Sight(time.time(), **self._nodes()))

    def _add_if_new(self, topic: str, sight: Sight) -> None:
        last = self._last.get(topic)
        if last is None or replace(last, at=sight.at) != sight:
            self._last[topic] = sight
            self._recorder.add(sight)

    def _instances(self) -> Sight:
        wanted: FilterTypeDef = {"Name": f"tag:kubernetes.io/cluster/{self._names.infra_id}", "Values": ["owned"]}
        pages = self._ec2.get_paginator("describe_instances").paginate(Filters=[wanted])
        seen = [instance for page in pages for instance in parse(page)]
        living = [worker for worker in workers(self._layout).values() if worker.infra_id == self._names.infra_id]
        return Sight(
            time.time(),
            instances={instance.instance_id: instance.state for instance in seen},
            worker_boot_ids={worker.name: worker.boot_id for worker in living},
        )

    def _nodes(self) -> dict[str, dict[str, str]]:
        nodes = self._hosted.list(NODE).items
        return {
            "node_uids": {node["metadata"]["name"]: node["metadata"]["uid"] for node in nodes},
            "node_boot_ids": {node["metadata"]["name"]: node["status"]["nodeInfo"]["bootID"] for node in nodes},
            "containers": dict(_containers(self._hosted.list(POD).items)),
        }


def _containers(pods: tuple[dict[str, Any], ...]) -> Iterator[tuple[str, str]]:
    for pod in pods:
        metadata = pod["metadata"]
        for status in pod["status"].get("containerStatuses", ()):
            yield f"{metadata['namespace']}/{metadata['name']}/{status['name']}", status.get("containerID", "")


def _api_server_addresses(client: Kubernetes, namespace: str) -> Iterator[str]:
    for pod in client.list(POD, namespace, labels="app=kube-apiserver").items:
        if address := pod["status"].get("podIP"):
            yield address


def _serves(address: str) -> str:
    """Empty when the pod answers with 200, else why not."""
    connection = http.client.HTTPConnection(address, WORKLOAD_PORT, timeout=WORKLOAD_TIMEOUT)
    try:
        connection.request("GET", "/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    else:
        return "" if status == 200 else f"status {status}"
    finally:
        connection.close()
