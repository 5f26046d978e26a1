"""One observation of one hosted cluster, as a process of the region.

Arguments: the region's folder, the hosted cluster, the number of the source management cluster, and the observation's
folder. The observation ends on request, on SIGTERM, or after MAX_SECONDS seconds, always with a verdict.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hcp_dr.kube.client import connect
from hcp_dr_lab.ground import layout as region_layout
from hcp_dr_lab.ground.layout import MANAGEMENT_CLUSTERS, HostedClusterNames, Layout
from hcp_dr_lab.observer.api import HostedApi
from hcp_dr_lab.observer.evidence import Closing, Recorder
from hcp_dr_lab.observer.files import Files, Progress
from hcp_dr_lab.observer.judge import judge
from hcp_dr_lab.observer.watch import Neighbour, Watch
from hcp_dr_lab.observer.writer import NAMESPACE, read_back

MAX_SECONDS = 1800.0
BEGIN_SECONDS = 60.0
READ_SECONDS = 45.0

_Read = TypeVar("_Read")


class Observation:
    """From the first complete reading to the verdict. `neighbour` is empty, or the name of the neighbour."""

    def __init__(self, layout: Layout, names: HostedClusterNames, source: int, files: Files, neighbour: str) -> None:
        self._layout = layout
        self._source, self._destination = sorted(MANAGEMENT_CLUSTERS, key=lambda cluster: cluster.number != source)
        self._files = files
        self._run = f"seen-{int(time.time()) % 1_000_000}"
        self._recorder = Recorder(files.folder)
        self._api = _api(layout, names.name)
        self._neighbour = neighbour
        beside = _neighbour(layout, neighbour) if neighbour else None
        self._watch = Watch(layout, names, self._api, self._recorder, run=self._run, neighbour=beside)
        self._ended = False

    def end(self, *_: object) -> None:
        """Stop on a signal."""
        self._ended = True

    def perform(self) -> None:
        """Observe until the end. The sentinels are always removed, even after an error."""
        self._tell("waiting")
        try:
            _retry(self._begin, BEGIN_SECONDS)
            self._watch.start()
            deadline = time.monotonic() + MAX_SECONDS
            while not self._ended and not self._files.stop_ordered() and time.monotonic() < deadline:
                self._tell("watching")
                time.sleep(0.2)
            self._watch.stop()
            self._conclude(stopped=time.time())
        finally:
            _try_read(self._watch.sentinels.remove)
        self._tell("done")

    def fail(self, error: BaseException) -> None:
        self._tell("failed", f"{type(error).__name__}: {error}")

    def _conclude(self, stopped: float) -> None:
        self._tell("reading")
        _try_read(self._watch.read_everything)
        evidence = self._recorder.close(
            Closing(
                source=self._source.name,
                destination=self._destination.name,
                stopped=stopped,
                neighbour=self._neighbour,
                read_back=_try_read(lambda: read_back(self._api, self._run)),
                source_left=_try_read(self._left),
            )
        )
        self._files.conclude(judge(evidence))

    def _begin(self) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        answer = self._api.ask("POST", "/api/v1/namespaces", body, timeout=5)
        if not answer.good and answer.status != 409:
            raise OSError(f"the hosted API rejects the namespace {NAMESPACE}: {answer.detail}")
        if not self._watch.is_something_probed():
            raise OSError("no workload pod of the hosted cluster is running")
        self._watch.sentinels.place()
        self._watch.read_everything()

    def _left(self) -> tuple[str, ...]:
        client = connect(self._layout.inside_kubeconfig(self._source), self._source.name)
        return self._watch.left(client, self._source.external_dns_owner)

    def _tell(self, phase: str, message: str = "") -> None:
        self._files.tell(Progress(phase, self._recorder.acknowledged(), message))


def _api(layout: Layout, name: str) -> HostedApi:
    """Files with the kubeconfig's credentials are written to the region's folder, not to the evidence."""
    return HostedApi(layout.hosted_kubeconfig(name), layout.root / "observer" / f"access-{name}-{os.getpid()}")


def _neighbour(layout: Layout, name: str) -> Neighbour:
    known = region_layout.recorded(layout, name)
    api = _api(layout, name)
    names = known.names if known is not None else HostedClusterNames(name)
    return Neighbour(names, api, connect(api.kubeconfig, f"hosted {name}"))


def _retry(work: Callable[[], _Read], seconds: float) -> _Read:
    """Retry until `work` succeeds. After the deadline the last error is raised."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return work()
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _try_read(work: Callable[[], _Read]) -> _Read | None:
    """Return None if reading fails until the deadline; the judge then reports the missing evidence."""
    try:
        return _retry(work, READ_SECONDS)
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
    observation = Observation(layout, names, int(source), files, known.neighbour if known is not None else "")
    signal.signal(signal.SIGTERM, observation.end)
    try:
        observation.perform()
    except Exception as error:
        observation.fail(error)
        raise


if __name__ == "__main__":
    main()
