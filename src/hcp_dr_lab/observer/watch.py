"""The observer's threads: they write, probe and read until the observation stops.

Every thread continues after failures, because the observer measures failures. Number and rate of requests are limited.
All connections belong to the observer and bypass the region's fault proxies.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from hcp_dr.kube.client import connect
from hcp_dr.kube.port import Kubernetes
from hcp_dr.kube.resources import POD
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, HostedClusterNames, Layout, ManagementCluster
from hcp_dr_lab.hosted.content import WORKLOAD_PORT
from hcp_dr_lab.observer.api import Answer, HostedApi
from hcp_dr_lab.observer.evidence import Owner, Probe, Readiness, Recorder
from hcp_dr_lab.observer.foreign import Sentinels
from hcp_dr_lab.observer.look import Reader, targets
from hcp_dr_lab.observer.region import RegionSource
from hcp_dr_lab.observer.writer import Place, Writer

WRITERS = 4
WRITE_PERIOD = 0.4  # of each writer; ten writes a second in total
DIRECT_PERIOD = 1.0  # of each of the two writers at an API server's own address
WRITE_TIMEOUT = 2.0
MAX_WRITES = 5000  # of each writer
READY_PERIOD = 0.25
READY_TIMEOUT = 3.0
MAX_ADDRESSES = 32
API_SERVER_PORT = 6443
WORKLOAD_PERIOD = 0.5
ANSWER_TIMEOUT = 5.0  # no answer within this, twice in a row, is a failed workload or neighbour
LOOK_PERIOD = 0.5
CONTAINERS_PERIOD = 2.0
REPLICAS_PERIOD = 1.0
BELONGINGS_PERIOD = 4.0


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another hosted cluster in the same namespace that must stay unaffected."""

    names: HostedClusterNames
    api: HostedApi
    hosted: Kubernetes


class Watch:
    """All activities between `start` and `stop`. `run` identifies this observation."""

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
        beside = neighbour.hosted if neighbour is not None else None
        self._source = RegionSource(layout, connect(api.kubeconfig, "hosted"), beside)
        self._reader = Reader(
            self._source, names, recorder.add, run=run, neighbour=neighbour.names if neighbour is not None else None
        )
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._writers = itertools.count()

    @property
    def sentinels(self) -> Sentinels:
        return self._reader.sentinels

    def start(self) -> None:
        """Start the threads."""
        reader = self._reader
        for _ in range(WRITERS):
            self._start_thread(self._write, partial(self._ask_by_name, self._api), Place(), WRITE_PERIOD)
        for cluster in MANAGEMENT_CLUSTERS:
            self._start_thread(self._discover, cluster)
        self._probe_all(self._source.hosted, "workload")
        self._start_thread(self._repeat, LOOK_PERIOD, reader.instances)
        self._start_thread(self._repeat, CONTAINERS_PERIOD, reader.nodes)
        for side in self._source.sides:
            self._start_thread(self._repeat, REPLICAS_PERIOD, partial(reader.replicas, side))
        for topic in reader.watched():
            self._start_thread(self._repeat, BELONGINGS_PERIOD, partial(reader.belongings, topic, unless_same=True))
        if self._neighbour is not None:
            self._probe_all(self._neighbour.hosted, "neighbour")
            self._start_thread(self._repeat, WORKLOAD_PERIOD, partial(self._probe_neighbour, self._neighbour))

    def stop(self) -> None:
        """Stop, and wait for the threads; a thread ends at the latest after the timeout of its request."""
        self._stop.set()
        for thread in list(self._threads):
            thread.join(ANSWER_TIMEOUT + 1)

    def read_everything(self) -> None:
        """Read and record everything once. Raises if a reading fails."""
        for part in self._reader.everything():
            part()

    def left(self, side: Kubernetes, owner: str) -> tuple[str, ...]:
        """As Reader.left."""
        return self._reader.left(side, owner)

    def is_something_probed(self) -> bool:
        return bool(targets(self._source.hosted))

    # Threads

    def _start_thread(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _repeat(self, period: float, work: Callable[[], None]) -> None:
        while not self._stop.wait(period):
            with contextlib.suppress(Exception):  # a failed reading is repeated later, or missing at the end
                work()

    # Writing

    def _write(self, ask: Callable[..., tuple[Answer, bool]], place: Place, period: float) -> None:
        number = next(self._writers)
        writer = Writer(ask, self._recorder.add, self._run, number, place)
        self._stop.wait(number % WRITERS * period / WRITERS)
        for _ in range(MAX_WRITES):
            due = time.monotonic() + period
            writer.write()
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return

    def _ask_by_name(self, api: HostedApi, method: str, path: str, body: Any = None) -> tuple[Answer, bool]:
        return api.ask(method, path, body, timeout=WRITE_TIMEOUT), False

    def _discover(self, cluster: ManagementCluster) -> None:
        """Discover the addresses of the hosted cluster's kube-apiserver pods. Probe every address from then on, and
        write on new connections and on a persistent connection."""
        client = connect(self._layout.inside_kubeconfig(cluster), cluster.name)
        known: set[str] = set()

        def connect_new() -> None:
            for address in _api_server_addresses(client, self._names.control_plane_namespace):
                if address not in known and len(known) < MAX_ADDRESSES:
                    known.add(address)
                    at = (address, API_SERVER_PORT)
                    place = Place(cluster.name, address)
                    self._start_thread(self._repeat, READY_PERIOD, partial(self._ask_ready, cluster.name, address))
                    self._start_thread(self._write, partial(self._ask_at, at), place, DIRECT_PERIOD)
                    self._start_thread(self._write, self._api.line(at, timeout=WRITE_TIMEOUT).ask, place, DIRECT_PERIOD)

        self._repeat(LOOK_PERIOD, connect_new)

    def _ask_at(self, at: tuple[str, int], method: str, path: str, body: Any = None) -> tuple[Answer, bool]:
        return self._api.ask(method, path, body, timeout=WRITE_TIMEOUT, at=at), False

    def _ask_ready(self, side: str, address: str) -> None:
        started = time.time()
        answer = self._api.ask("GET", "/readyz", timeout=READY_TIMEOUT, at=(address, API_SERVER_PORT))
        self._recorder.add(Readiness(side, address, started, time.time(), answer.good, answer.detail))

    # Probing

    def _probe_all(self, hosted: Kubernetes, of: Owner) -> None:
        for target, address in targets(hosted).items():
            self._start_thread(self._repeat, WORKLOAD_PERIOD, partial(self._probe, target, address, of))

    def _probe(self, target: str, address: str, of: Owner) -> None:
        started = time.time()
        detail = _serves(address)
        self._recorder.add(Probe(target, started, time.time(), not detail, detail, of))

    def _probe_neighbour(self, neighbour: Neighbour) -> None:
        started = time.time()
        answer = neighbour.api.ask("GET", "/readyz", timeout=ANSWER_TIMEOUT)
        target = f"the API of {neighbour.names.name}"
        self._recorder.add(Probe(target, started, time.time(), answer.good, answer.detail, "neighbour"))


def _api_server_addresses(client: Kubernetes, namespace: str) -> Iterator[str]:
    for pod in client.list(POD, namespace, labels="app=kube-apiserver").items:
        if address := pod["status"].get("podIP"):
            yield address


def _serves(address: str) -> str:
    """Return an empty text if the pod answers with 200, otherwise the reason."""
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
