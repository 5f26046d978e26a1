"""The observer's eyes and hands: threads that write, probe and look until they are told to stop.

Every thread goes on after every failure, because failures are what it is here to see; each is bounded in count and
pace. All connections are the observer's own, none goes through the region's fault proxies.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import DEPLOYMENT, NODE, POD
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, HostedClusterNames, Layout, ManagementCluster
from hcp_dr_lab.ground.names import OPERATOR_NAMESPACE
from hcp_dr_lab.ground.workers import workers
from hcp_dr_lab.hosted.content import WORKLOAD_LABEL, WORKLOAD_NAMESPACE, WORKLOAD_PORT
from hcp_dr_lab.observer import belongings
from hcp_dr_lab.observer.api import Answer, HostedApi
from hcp_dr_lab.observer.belongings import Things
from hcp_dr_lab.observer.evidence import Belongings, Owner, Probe, Readiness, Recorder, Replicas, Sight, Topic
from hcp_dr_lab.observer.foreign import Sentinels
from hcp_dr_lab.observer.measured import EXTERNAL_DNS, OPERATOR
from hcp_dr_lab.observer.writer import Place, Writer
from hcp_dr_lab.region.cloud import clients
from hcp_dr_lab.region.machines.hypervisor import parse

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

WRITERS = 4
WRITE_PERIOD = 0.4  # of each writer, so ten writes a second in all
DIRECT_PERIOD = 1.0  # of each of the two writers at an API server's own address
WRITE_TIMEOUT = 2.0
MOST_WRITES = 5000  # of each writer
READY_PERIOD = 0.25
READY_TIMEOUT = 3.0
MOST_ADDRESSES = 32
API_SERVER_PORT = 6443
WORKLOAD_PERIOD = 0.5
ANSWER_TIMEOUT = 5.0  # no answer within this, twice in a row, is a failed workload or neighbour
LOOK_PERIOD = 0.5
CONTAINERS_PERIOD = 2.0
REPLICAS_PERIOD = 1.0
BELONGINGS_PERIOD = 4.0
MOST_PROTECTION = 100  # instances whose termination protection is asked for, one by one
LONGEST_SILENCE = 10.0  # what looks the same as before is told again after so long


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another hosted cluster in the same namespace, that has to notice nothing."""

    names: HostedClusterNames
    api: HostedApi
    hosted: Kubernetes


class Watch:
    """Everything that goes on between `start` and `stop`. `run` tells this observation from others."""

    def __init__(
        self,
        layout: Layout,
        names: HostedClusterNames,
        api: HostedApi,
        recorder: Recorder,
        *,
        run: str,
        neighbour: Neighbour | None,
    ) -> None:
        self._layout = layout
        self._names = names
        self._api = api
        self._recorder = recorder
        self._run = run
        self._neighbour = neighbour
        self._ec2 = clients.ec2(layout)
        self._hosted = connect(api.kubeconfig, "hosted")
        self._sides = tuple(connect(layout.inside_kubeconfig(one), one.name) for one in MANAGEMENT_CLUSTERS)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._last: dict[str, Sight | Belongings] = {}
        self._writers = itertools.count()
        self.sentinels = Sentinels(layout, names, self._sides, run)

    def start(self) -> None:
        """Begin, and go on in threads."""
        for _ in range(WRITERS):
            self._go(self._write, partial(self._ask_by_name, self._api), Place(), WRITE_PERIOD)
        for cluster in MANAGEMENT_CLUSTERS:
            self._go(self._discover, cluster)
        self._probe_all(self._hosted, "workload")
        self._go(self._every, LOOK_PERIOD, self._look_at_instances)
        self._go(self._every, CONTAINERS_PERIOD, self._look_at_nodes)
        for side in self._sides:
            self._go(self._every, REPLICAS_PERIOD, partial(self._count, side))
        for topic in self._readers():
            if topic not in ("content", "volumes"):
                self._go(self._every, BELONGINGS_PERIOD, partial(self._look_at, topic, unless_same=True))
        if self._neighbour is not None:
            self._probe_all(self._neighbour.hosted, "neighbour")
            self._go(self._every, WORKLOAD_PERIOD, partial(self._probe_neighbour, self._neighbour))

    def stop(self) -> None:
        """End, and wait for the threads: each is held up at most by the timeout of what it asks."""
        self._stop.set()
        for thread in list(self._threads):
            thread.join(ANSWER_TIMEOUT + 1)

    def look(self) -> None:
        """Everything once, recorded whatever it was; raises when something cannot be read. What only the hosted API
        tells comes last, so that without it the rest is known."""
        self._recorder.add(replace(self._instances(), protection=self._protection()))
        for side in self._sides:
            self._count(side)
        for topic in self._readers():
            self._look_at(topic)
        self._recorder.add(Sight(time.time(), **self._nodes()))

    def targets(self, hosted: Kubernetes) -> dict[str, str]:
        """The workload's running pods, and their addresses."""
        pods = hosted.list(POD, WORKLOAD_NAMESPACE, labels=WORKLOAD_LABEL).items
        running = [pod for pod in pods if pod["status"].get("phase") == "Running" and pod["status"].get("podIP")]
        return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in running}

    def is_something_probed(self) -> bool:
        return bool(self.targets(self._hosted))

    # Threads

    def _go(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _every(self, period: float, work: Callable[[], None]) -> None:
        while not self._stop.wait(period):
            with contextlib.suppress(Exception):  # what cannot be read now is read later, or is missing in the end
                work()

    # Writing

    def _write(self, ask: Callable[..., tuple[Answer, bool]], place: Place, period: float) -> None:
        number = next(self._writers)
        writer = Writer(ask, self._recorder.add, self._run, number, place)
        self._stop.wait(number % WRITERS * period / WRITERS)
        for _ in range(MOST_WRITES):
            due = time.monotonic() + period
            writer.write()
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return

    def _ask_by_name(self, api: HostedApi, method: str, path: str, body: Any = None) -> tuple[Answer, bool]:
        return api.ask(method, path, body, timeout=WRITE_TIMEOUT), False

    def _discover(self, cluster: ManagementCluster) -> None:
        """Every address that a kube-apiserver pod of the hosted cluster ever had there is asked from then on, and
        written to, on new connections and on one that is kept."""
        client = connect(self._layout.inside_kubeconfig(cluster), cluster.name)
        known: set[str] = set()

        def look() -> None:
            for address in _api_server_addresses(client, self._names.control_plane_namespace):
                if address not in known and len(known) < MOST_ADDRESSES:
                    known.add(address)
                    at = (address, API_SERVER_PORT)
                    place = Place(cluster.name, address)
                    self._go(self._every, READY_PERIOD, partial(self._ask_ready, cluster.name, address))
                    self._go(self._write, partial(self._ask_at, at), place, DIRECT_PERIOD)
                    self._go(self._write, self._api.line(at, timeout=WRITE_TIMEOUT).ask, place, DIRECT_PERIOD)

        self._every(LOOK_PERIOD, look)

    def _ask_at(self, at: tuple[str, int], method: str, path: str, body: Any = None) -> tuple[Answer, bool]:
        return self._api.ask(method, path, body, timeout=WRITE_TIMEOUT, at=at), False

    def _ask_ready(self, side: str, address: str) -> None:
        started = time.time()
        answer = self._api.ask("GET", "/readyz", timeout=READY_TIMEOUT, at=(address, API_SERVER_PORT))
        self._recorder.add(Readiness(side, address, started, time.time(), answer.good, answer.detail))

    # Probing

    def _probe_all(self, hosted: Kubernetes, of: Owner) -> None:
        for target, address in self.targets(hosted).items():
            self._go(self._every, WORKLOAD_PERIOD, partial(self._probe, target, address, of))

    def _probe(self, target: str, address: str, of: Owner) -> None:
        started = time.time()
        detail = _serves(address)
        self._recorder.add(Probe(target, started, time.time(), not detail, detail, of))

    def _probe_neighbour(self, neighbour: Neighbour) -> None:
        started = time.time()
        answer = neighbour.api.ask("GET", "/readyz", timeout=ANSWER_TIMEOUT)
        target = f"the API of {neighbour.names.name}"
        self._recorder.add(Probe(target, started, time.time(), answer.good, answer.detail, "neighbour"))

    # Looking

    def _look_at_instances(self) -> None:
        self._add_unless_same("instances", self._instances())

    def _look_at_nodes(self) -> None:
        self._add_unless_same("nodes", Sight(time.time(), **self._nodes()))

    def _count(self, side: Kubernetes) -> None:
        for name in (OPERATOR, EXTERNAL_DNS):
            found = side.find(DEPLOYMENT, name, OPERATOR_NAMESPACE) or {}
            asked = (found.get("spec") or {}).get("replicas", 0)
            ready = (found.get("status") or {}).get("readyReplicas", 0)
            self._recorder.add(Replicas(time.time(), side.name, name, asked, ready))

    def _look_at(self, topic: Topic, *, unless_same: bool = False) -> None:
        things = self._readers()[topic]()
        reading = Belongings(time.time(), topic, things)
        if unless_same:
            self._add_unless_same(topic, reading)
        else:
            self._recorder.add(reading)

    def _readers(self) -> dict[Topic, Callable[[], Things]]:
        readers: dict[Topic, Callable[[], Things]] = {
            "cloud": partial(belongings.cloud, self._layout, self._names),
            "foreign": self.sentinels.look,
        }
        if (beside := self._neighbour) is not None:
            readers["neighbour"] = partial(belongings.neighbour, self._sides, beside.hosted, self._layout, beside.names)
        inside: dict[Topic, Callable[[], Things]] = {
            "content": partial(belongings.content, self._hosted),
            "volumes": partial(belongings.volumes, self._hosted),
        }
        return readers | inside

    def _add_unless_same(self, topic: str, seen: Sight | Belongings) -> None:
        last = self._last.get(topic)
        if last is None or seen.at - last.at > LONGEST_SILENCE or replace(last, at=seen.at) != seen:
            self._last[topic] = seen
            self._recorder.add(seen)

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

    def _protection(self) -> dict[str, bool]:
        instances = sorted(self._instances().instances or {})[:MOST_PROTECTION]
        return {instance: belongings.is_protected(self._layout, instance) for instance in instances}

    def _nodes(self) -> dict[str, Any]:
        nodes = self._hosted.list(NODE).items
        containers = list(_containers(self._hosted.list(POD).items))
        return {
            "node_uids": {node["metadata"]["name"]: node["metadata"]["uid"] for node in nodes},
            "node_boot_ids": {node["metadata"]["name"]: node["status"]["nodeInfo"]["bootID"] for node in nodes},
            "containers": {name: status.get("containerID", "") for name, status in containers},
            "restarts": {name: status.get("restartCount", 0) for name, status in containers},
        }


def _containers(pods: tuple[dict[str, Any], ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for pod in pods:
        metadata = pod["metadata"]
        for status in pod["status"].get("containerStatuses", ()):
            yield f"{metadata['namespace']}/{metadata['name']}/{status['name']}", status


def _api_server_addresses(client: Kubernetes, namespace: str) -> Iterator[str]:
    for pod in client.list(POD, namespace, labels="app=kube-apiserver").items:
        if address := pod["status"].get("podIP"):
            yield address


def _serves(address: str) -> str:
    """Empty when the pod answers with 200, else why not."""
    connection = http.client.HTTPConnection(address, WORKLOAD_PORT, timeout=ANSWER_TIMEOUT)
    try:
        connection.request("GET", "/")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    else:
        return "" if status == 200 else f"status {status}"
    finally:
        connection.close()
