"""The only place where time passes: waiting for a change of a topic, and pausing before a call is tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from concurrent import futures
from typing import Any, Protocol

from hcp_dr.engine.step import WatchTarget
from hcp_dr.errors import HcpDrError
from hcp_dr.model import Ports

LOOK_AGAIN = 2.0
"""A wait looks again after so many seconds even when nothing rang."""
FIRST_LIMIT = 20.0
"""As long as nothing has answered in a run: it is rather gone than busy, and whoever asked wants to know."""
_NOBODY = "metadata.name=-"
"""No object can have this name: the list is empty, and tells the revision all the same."""


class StopRequested(Exception):
    """The run ended between two actions because it was asked to. The journal is whole; resume goes on."""


class Clock(Protocol):
    """Time for the engine; tests and the tabletop bring one that jumps."""

    def now(self) -> float:
        """Seconds, never going back."""
        ...

    def pause(self, seconds: float) -> None: ...

    def await_change(self, ports: Ports, topic: WatchTarget | None, mark: str | None, seconds: float) -> None:
        """Return when an object of the topic changed after `mark`, at the latest after so many seconds."""
        ...

    def await_hands(self, works: Collection[futures.Future[Any]], seconds: float | None) -> None:
        """Return when all are done, at the latest after so many seconds."""
        ...


def mark_of(ports: Ports, topic: WatchTarget | None) -> str | None:
    """The present of a topic, taken before observing, so that no change is slept through."""
    if topic is None:
        return None
    try:
        return ports.cluster(topic.side).list(topic.resource, topic.namespace, fields=_NOBODY).resource_version
    except HcpDrError:
        return None


class SystemClock:
    """Real time. `stop` ends every pause early: the first signal sets it."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def now(self) -> float:
        """Time that the machine slept counts: meanwhile the Leases were not renewed."""
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    def pause(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def await_hands(self, works: Collection[futures.Future[Any]], seconds: float | None) -> None:
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
            self.pause(max(0.0, min(seconds, LOOK_AGAIN) - (self.now() - began)))
