"""Pods that are parts of the region, such as external-dns: stopped by holding their processes still.

Nothing changes in the API but what follows by itself: the Deployment asks for its pod as before, the pod is there, it
does not answer, so it is not Ready, and nobody acts. A pod that takes the place of one held still is held still too.
The container goes on where it was when it is let go.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Matches = Callable[[tuple[str, ...]], bool]
"""Whether a process of these words belongs to the part."""

_LOOK_SECONDS = 0.2


class Still:
    """`kinds` says of each part which processes are its own; `processes` is where they are looked for."""

    def __init__(self, kinds: Mapping[str, Matches], processes: Path = Path("/proc")) -> None:
        self._kinds = dict(kinds)
        self._processes = processes
        self._held: set[str] = set()
        self._wake = threading.Event()
        threading.Thread(target=self._keep, name="still", daemon=True).start()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._kinds)

    def stop(self, name: str) -> bool:
        """Whether it was not held still before."""
        fresh = name not in self._held
        self._held.add(name)
        self._signal(name, signal.SIGSTOP)
        self._wake.set()
        return fresh

    def start(self, name: str) -> bool:
        """Whether it was held still."""
        held = name in self._held
        self._held.discard(name)
        self._signal(name, signal.SIGCONT)
        return held

    def rows(self) -> Iterator[dict[str, object]]:
        """One for each part, as control.PartStatus."""
        for name in self._kinds:
            pids = self._pids(name)
            state = "stopped" if name in self._held else "serving" if pids else "failing"
            why = "" if state == "serving" else "its processes are held still" if pids else "no pod of it runs"
            yield {
                "name": name,
                "state": state,
                "seconds": 0.0,
                "pid": pids[0] if pids else None,
                "exit_code": None,
                "why": why,
            }

    def _keep(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._held:
                for name in tuple(self._held):
                    self._signal(name, signal.SIGSTOP)
                    if name not in self._held:  # let go meanwhile
                        self._signal(name, signal.SIGCONT)
                threading.Event().wait(_LOOK_SECONDS)

    def _signal(self, name: str, order: signal.Signals) -> None:
        for pid in self._pids(name):
            try:
                os.kill(pid, order)
            except ProcessLookupError:
                continue

    def _pids(self, name: str) -> list[int]:
        found = []
        for entry in self._processes.iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if self._kinds[name](tuple(words)):
                found.append(int(entry.name))
        return found
