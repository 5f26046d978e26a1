"""Waiting for a change: woken by an event, by the limit, by a stop; never later."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hcp_dr.engine.step import WatchTarget
from hcp_dr.engine.wait import SystemClock, mark_of
from hcp_dr.errors import ClusterUnreachable, Expired
from hcp_dr.kube.port import Event
from hcp_dr.kube.resources import POD
from tests.ports import World

TOPIC = WatchTarget("source", POD, "n")
GONE = ClusterUnreachable(cluster="source", verb="watch", object="Pod", reason="gone")


class Stop(threading.Event):
    """A stop flag on which nobody really waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        return self.is_set()


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def clock(stop: Stop) -> SystemClock:
    return SystemClock(stop)


def test_the_mark_is_the_present_of_the_topic() -> None:
    world = World()
    assert mark_of(world.ports, None) is None
    assert mark_of(world.ports, TOPIC) == "0"


def test_a_topic_that_cannot_be_listed_has_no_mark() -> None:
    world = World()

    def before(_: str) -> None:
        raise GONE

    world.source.before = before
    assert mark_of(world.ports, TOPIC) is None


def test_a_pause_ends_early_when_a_stop_is_asked_for(clock: SystemClock, stop: Stop) -> None:
    clock.pause(7.0)
    assert stop.waited == [7.0]


def test_time_never_goes_back(clock: SystemClock) -> None:
    first = clock.now()
    assert first <= clock.now()
    assert abs(clock.now() - time.monotonic()) < 60


@pytest.mark.parametrize(("topic", "mark"), [(None, None), (TOPIC, None)])
def test_without_a_topic_or_a_mark_it_looks_again_soon(
    clock: SystemClock, stop: Stop, topic: WatchTarget | None, mark: str | None
) -> None:
    world = World()
    clock.await_change(world.ports, topic, mark, 2.0)
    clock.await_change(world.ports, topic, mark, 0.1)
    assert stop.waited == [0.5, 0.1]
    assert world.source.asked == []


def test_an_event_ends_it(clock: SystemClock, stop: Stop) -> None:
    world = World()
    seen: list[str] = []

    def events() -> Iterator[Event]:
        for kind in ("BOOKMARK", "MODIFIED", "DELETED"):
            seen.append(kind)
            yield Event(kind, {})

    world.source.events = events()  # type: ignore[assignment]
    clock.await_change(world.ports, TOPIC, "41", 2.0)
    assert seen == ["BOOKMARK", "MODIFIED"]
    assert world.source.asked == [("watch", "Pod", "n", "41", 2.0)]
    assert stop.waited == []


def test_a_watch_that_ends_without_an_event_ends_it_too(clock: SystemClock) -> None:
    clock.await_change(World().ports, TOPIC, "41", 2.0)


def test_a_stop_ends_it_at_the_next_bookmark(clock: SystemClock, stop: Stop) -> None:
    world = World()
    world.source.events = [Event("BOOKMARK", {}), Event("BOOKMARK", {})]
    stop.set()
    clock.await_change(world.ports, TOPIC, "41", 2.0)


@pytest.mark.parametrize(
    "error", [GONE, Expired(cluster="source", verb="watch", object="Pod", reason="too old")], ids=["gone", "expired"]
)
@pytest.mark.parametrize(("seconds", "at_most"), [(2.0, 2.0), (0.5, 0.5)])
def test_a_watch_that_fails_is_no_busy_loop(
    clock: SystemClock, stop: Stop, error: Any, seconds: float, at_most: float
) -> None:
    world = World()

    def before(_: str) -> None:
        raise error

    world.source.before = before
    clock.await_change(world.ports, TOPIC, "41", seconds)
    assert stop.waited[0] is not None
    assert at_most - 0.4 < stop.waited[0] <= at_most
