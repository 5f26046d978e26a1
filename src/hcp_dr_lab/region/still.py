"""Pods that are parts of the region, such as external-dns: stopped by freezing their processes (SIGSTOP).

In the API only the consequences are visible: the Deployment still wants its pod, the pod exists and does not answer, so
it is not Ready, and no controller acts. A pod that replaces a frozen pod is frozen too. After SIGCONT the container
continues from the same point.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

Matches = Callable[[tuple[str, ...]], bool]
"""Returns whether a process with this command line belongs to the part."""

_LOOK_SECONDS = 0.2


class Still:
    """`kinds` identifies the processes of every part; `processes` is the folder to search."""

    def __init__(self, kinds: Mapping[str, Matches], processes: Path = Path("/proc")) -> None:
        self._kinds = dict(kinds)
        self._processes = processes
        self._frozen: set[str] = set()
        self._wake = threading.Event()
        threading.Thread(target=self._keep, name="still", daemon=True).start()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._kinds)

    def stop(self, name: str) -> bool:
        """Freeze the part; return whether it was running before."""
        fresh = name not in self._frozen
        self._frozen.add(name)
        self._signal(name, signal.SIGSTOP)
        self._wake.set()
        return fresh

    def start(self, name: str) -> bool:
        """Resume the part; return whether it was frozen."""
        held = name in self._frozen
        self._frozen.discard(name)
        self._signal(name, signal.SIGCONT)
        return held

    def rows(self) -> Iterator[dict[str, object]]:
        """Return a row for each part in the format of control.PartStatus."""
        for name in self._kinds:
            pids = self._pids(name)
            state = "stopped" if name in self._frozen else "serving" if pids else "failing"
            why = "" if state == "serving" else "its processes are frozen" if pids else "no pod is running"
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
            while self._frozen:
                for name in tuple(self._frozen):
                    self._signal(name, signal.SIGSTOP)
                    if name not in self._frozen:  # resumed in the meantime
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
