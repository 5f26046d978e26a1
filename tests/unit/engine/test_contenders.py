"""Two runs that want the same hosted cluster, on clusters that answer when they like: never do both act at once.

Each run is a thread that goes on only when it is given a turn: at each request, before it is heard and before it is
answered, at each pause, and while it acts. Hypothesis says whose turn it is and how much time has passed; only within
an action, which follows `keep` at once, no more passes than the holder leaves to others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from hcp_dr.engine.lease import TRUSTED_SECONDS, Lease
from hcp_dr.engine.lease_status import DURATION
from hcp_dr.engine.step import WatchTarget
from hcp_dr.errors import HcpDrError
from hcp_dr.kube.port import Kubernetes
from hcp_dr.model import Ports
from tests.unit.engine.leasing import Clusters
from tests.unit.engine.toys import JumpingClock

ACTS = 3
RUNS = 3
PIECES = 6  # turns that an action takes
Turn = tuple[int, float, bool]


class Killed(BaseException):
    """The process of a contender is gone."""


@dataclass
class Ring:
    """Who acts, and what time it is. `turns` are drawn; None as a turn ends everybody."""

    clock: JumpingClock = field(default_factory=JumpingClock)
    acting: set[int] = field(default_factory=set)
    worst: int = 0
    acted: int = 0


class Slow:
    """A cluster that takes its time to hear a request, and to answer it."""

    def __init__(self, cluster: Kubernetes, rest: Callable[[], None]) -> None:
        self._cluster, self._rest = cluster, rest

    def __getattr__(self, verb: str) -> Any:
        def ask(*arguments: Any, **named: Any) -> Any:
            self._rest()
            try:
                return getattr(self._cluster, verb)(*arguments, **named)
            finally:
                self._rest()

        return ask


class Contender:
    """A machine of its own, whose clock began at another time, and its runs one after the other."""

    def __init__(self, number: int, ring: Ring, clusters: Clusters) -> None:
        self.number, self.ring, self.clusters = number, ring, clusters
        self.killed = self.done = False
        self._mine, self._theirs = threading.Semaphore(0), threading.Semaphore(0)
        self.thread = threading.Thread(target=self._live)
        self.thread.start()

    # A clock, as the lease has it

    def now(self) -> float:
        return self.ring.clock.now() + 777 * self.number

    def pause(self, seconds: float) -> None:
        until = self.now() + seconds
        self.rest()
        while self.now() < until:
            self.rest()

    def await_change(self, ports: Ports, topic: WatchTarget | None, mark: str | None, seconds: float) -> None:
        raise AssertionError(f"nothing waits here: {ports} {topic} {mark} {seconds}")

    def await_workers(self, works: Collection[futures.Future[Any]], seconds: float | None) -> None:
        raise AssertionError(f"nothing has hands here: {works} {seconds}")

    # Turns

    def rest(self) -> None:
        self._theirs.release()
        self._mine.acquire()
        if self.killed:
            raise Killed

    def turn(self, *, kill: bool) -> None:
        if self.done:
            return
        self.killed = self.killed or kill
        self._mine.release()
        self._theirs.acquire()

    def _live(self) -> None:
        self._mine.acquire()
        try:
            for run in range(0 if self.killed else RUNS):
                with suppress(HcpDrError):
                    self._contend(self._lease(f"{self.number}{run}"))
                self.ring.acting.discard(self.number)
        except Killed:
            pass
        finally:
            self.ring.acting.discard(self.number)
            self.done = True
            self._theirs.release()

    def _lease(self, word: str) -> Lease:
        ports = self.clusters.ports(word, now=lambda: 1_000_000.0 - 5000 * self.number + self.ring.clock.now())
        source, destination = (Slow(self.clusters.client(side), self.rest) for side in ("source", "destination"))
        ports = replace(ports, source=cast("Kubernetes", source), destination=cast("Kubernetes", destination))
        return self.clusters.lease(word, ports=ports, clock=self, machine=f"machine{self.number}")

    def _contend(self, lease: Lease) -> None:
        with lease.acquire():
            for _ in range(ACTS):
                lease.renew()
                self.ring.acting.add(self.number)
                self.ring.worst = max(self.ring.worst, len(self.ring.acting))
                self.ring.acted += 1
                for _ in range(PIECES):
                    self.rest()
                self.ring.acting.discard(self.number)
                self.rest()


def play(turns: Sequence[Turn]) -> Ring:
    clusters, ring = Clusters(), Ring()
    contenders = [Contender(number, ring, clusters) for number in (0, 1)]
    spent = 0.0
    for number, seconds, kill in turns:
        most = DURATION - TRUSTED_SECONDS - spent - 0.5 if ring.acting else seconds
        passed = max(0.0, min(seconds, most))
        spent = spent + passed if ring.acting else 0.0
        ring.clock.seconds += passed
        contenders[number].turn(kill=kill)
    for contender in contenders:
        contender.killed = True
        contender.turn(kill=True)
        contender.thread.join(10)
        assert not contender.thread.is_alive()
    return ring


bursts = st.tuples(
    st.sampled_from((0, 1)), st.integers(1, 24), st.sampled_from((0.0, 3.0, 12.0, 31.0)), st.integers(0, 9)
)
turns = st.lists(bursts, min_size=3, max_size=24).map(
    lambda found: [
        (who, seconds, luck == 9 and not left) for who, count, seconds, luck in found for left in range(count)
    ]
)
"""A contender goes on for a while before it is another's turn; each of its turns takes so many seconds."""


@settings(deadline=None, max_examples=200)
@given(turns)
def test_two_never_act_at_once(turns: list[Turn]) -> None:
    assert play(turns).worst <= 1


def test_one_alone_acts_and_the_next_follows_when_it_is_dead() -> None:
    """That the play above is one in which both can act."""
    assert play([(0, 0.5, False)] * 200).acted == RUNS * ACTS
    dead: list[Turn] = [*([(0, 0.5, False)] * 18), (0, 0.0, True)]
    assert play(dead).acted == 1
    assert play([*dead, *([(1, 3.0, False)] * 100)]).acted > 1
