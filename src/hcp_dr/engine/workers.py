"""Independent calls, several at a time, while the waiting thread keeps the lease."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from hcp_dr.engine.lease import Lease
from hcp_dr.engine.wait import Clock

Answer = TypeVar("Answer")


class _Halted(Exception):
    """The call was not begun, because another call raised; that error is reported."""


class Workers:
    """A pool of `count` threads, started on demand."""

    def __init__(self, count: int, clock: Clock) -> None:
        self._count = count
        self._clock = clock
        self._pool = ThreadPoolExecutor(max_workers=count)

    def run_all(self, works: Sequence[Callable[[], Answer]], lease: Lease | None) -> list[Answer]:
        """The results of all calls, in order. Threads make the calls, so that this thread can keep the lease during a
        long call; after a lost lease or an error no further call is begun."""
        if lease is None and (len(works) == 1 or self._count == 1):
            return [work() for work in works]
        if lease is not None:
            lease.renew()
        halted = threading.Event()
        futures = [self._pool.submit(_run_unless, halted, work) for work in works]
        try:
            while not all(future.done() for future in futures):
                self._clock.await_workers(futures, lease.seconds_until_due() if lease else None)
                if lease is not None:
                    lease.renew()
        except BaseException:
            halted.set()
            self._clock.await_workers(futures, None)
            raise
        raised = [error for future in futures if (error := future.exception()) is not None]
        for error in sorted(raised, key=lambda each: isinstance(each, _Halted)):
            raise error
        return [future.result() for future in futures]


def _run_unless(halted: threading.Event, work: Callable[[], Answer]) -> Answer:
    if halted.is_set():
        raise _Halted
    try:
        return work()
    except BaseException:
        halted.set()
        raise
