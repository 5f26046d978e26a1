"""The only place where time passes: waits for a change of a watch target, and pauses before a retry."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from concurrent import futures
from typing import Any, Protocol

from hcp_dr.engine.step import WatchTarget
from hcp_dr.errors import HcpDrError
from hcp_dr.model import Ports

OBSERVE_INTERVAL = 2.0
"""Seconds after which a wait observes again even without an event."""
FIRST_ANSWER_TIMEOUT = 20.0
"""Seconds before any answer in a run: the cluster is probably gone rather than busy, and the caller wants to know."""
_NO_OBJECT = "metadata.name=-"
"""No object can have this name: the list is empty, but still has the resource version."""


class StopRequested(Exception):
    """The run ended between two actions on request. `begun`: the command has begun, and resume continues it."""

    begun = False


class Clock(Protocol):
    """Time for the engine; tests and the tabletop have a clock that jumps."""

    def now(self) -> float:
        """Seconds, monotonic."""
        ...

    def pause(self, seconds: float) -> None: ...

    def await_change(self, ports: Ports, topic: WatchTarget | None, mark: str | None, seconds: float) -> None:
        """Return when an object of the target has changed after `mark`, at the latest after so many seconds."""
        ...

    def await_workers(self, works: Collection[futures.Future[Any]], seconds: float | None) -> None:
        """Return when all work is done, at the latest after so many seconds."""
        ...


def mark_of(ports: Ports, topic: WatchTarget | None) -> str | None:
    """The current resource version of a target, taken before observing, so that no change is missed."""
    if topic is None:
        return None
    try:
        return ports.cluster(topic.side).list(topic.resource, topic.namespace, fields=_NO_OBJECT).resource_version
    except HcpDrError:
        return None


class SystemClock:
    """Real time. `stop` ends every pause early: the first signal sets it."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def now(self) -> float:
        """Time while the machine sleeps counts: the Leases are not renewed during sleep."""
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    def pause(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def await_workers(self, works: Collection[futures.Future[Any]], seconds: float | None) -> None:
        futures.wait(works, timeout=seconds)

    def await_change(self, ports: Ports, topic: WatchTarget | None, mark: str | None, seconds: float) -> None:
        if topic is None or mark is None:
            self.pause(min(seconds, 0.5))
            return
        began = self.now()
        try:
            cluster = ports.cluster(topic.side)
            for event in cluster.watch(topic.resource, topic.namespace, resource_version=mark, seconds=seconds):
                if event.type != "BOOKMARK" or self._stop.is_set():
                    return
        except HcpDrError:
            self.pause(max(0.0, min(seconds, OBSERVE_INTERVAL) - (self.now() - began)))
