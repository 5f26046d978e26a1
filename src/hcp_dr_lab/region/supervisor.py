"""Starts the region's parts as soon as their dependencies serve, watches them, and stops and starts them on request.

A part that ends is not started again: in a rehearsal this is a result. The supervisor does not depend on the purpose of
a part.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from hcp_dr_lab.ground.part import Part

_PAUSE = 0.1
_GRACE = 10.0


@dataclass(slots=True)
class _Process:
    """The current state of a part."""

    part: Part
    state: str = "waiting"
    why: str = ""
    began: float = 0.0
    served: float | None = None
    process: subprocess.Popen[bytes] | None = None
    settled: threading.Event = field(default_factory=threading.Event)


class Supervisor:
    """`logs` is the folder for one log of each part; `environment` is the base environment of all parts."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._environment = dict(environment)
        self._processes: dict[str, _Process] = {}
        self._lock = threading.Lock()

    def start_all(self, parts: Iterable[Part]) -> None:
        """Start all parts; return at once."""
        parts = tuple(parts)
        with self._lock:
            self._processes |= {part.name: _Process(part) for part in parts}
        for part in parts:
            threading.Thread(target=self._bring_up, args=(part.name,), name=part.name, daemon=True).start()

    @property
    def state(self) -> str:
        """starting, ready or failed, over all lasting parts that were not stopped on request."""
        states = {entry.state for entry in self._entries() if not entry.part.passing}
        if states & {"failed", "ended"}:
            return "failed"
        return "starting" if states & {"waiting", "starting"} else "ready"

    @property
    def lasting(self) -> tuple[str, ...]:
        """The names of all parts without an end of their own."""
        return tuple(entry.part.name for entry in self._entries() if not entry.part.passing)

    def describe(self, *, probe: bool = False) -> list[dict[str, object]]:
        """Return a row for each part in the format of control.PartStatus. With `probe` serving parts are probed again:
        a part that no longer serves is `failing`."""
        entries = self._entries()
        if not probe:
            return [self._row(entry) for entry in entries]
        with ThreadPoolExecutor(max(1, len(entries))) as pool:
            return list(pool.map(self._probed, entries))

    def run(self, part: Part) -> None:
        """Start an additional part. Raises ValueError if a part with this name is alive."""
        with self._lock:
            known = self._processes.get(part.name)
            if known is not None and _alive(known):
                raise ValueError(f"a part {part.name} is running")
            self._processes[part.name] = _Process(part)
        threading.Thread(target=self._bring_up, args=(part.name,), name=part.name, daemon=True).start()

    def start(self, names: Iterable[str]) -> tuple[str, ...]:
        """Start the parts that are not alive, as soon as their dependencies serve; return their names at once. Raises
        KeyError."""
        with self._lock:
            dead = [entry for name in names if not _alive(entry := self._processes[name])]
            self._processes |= {entry.part.name: _Process(entry.part) for entry in dead}
        began = tuple(entry.part.name for entry in dead)
        for name in began:
            threading.Thread(target=self._bring_up, args=(name,), name=name, daemon=True).start()
        return began

    def settled(self, names: Iterable[str]) -> dict[str, str]:
        """Wait until every part serves or has failed, at the latest after its limit; return the reasons of failed
        parts."""
        entries = [self._processes[name] for name in names]
        for entry in entries:
            entry.settled.wait()
        return {entry.part.name: entry.why for entry in entries if entry.state != "serving"}

    def stop(self, name: str) -> bool:
        """Send SIGTERM to the part's process group, and SIGKILL after a timeout; return whether it was running before.
        Raises KeyError."""
        entry = self._processes[name]
        fresh = entry.state != "stopped"
        entry.state, entry.why = "stopped", ""
        if entry.process is not None:
            _end(entry.process)
        return fresh

    def stop_all(self) -> None:
        """Stop all parts in parallel."""
        stops = [threading.Thread(target=self.stop, args=(entry.part.name,)) for entry in self._entries()]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()

    def _entries(self) -> list[_Process]:
        with self._lock:
            entries = list(self._processes.values())
        for entry in entries:
            code = entry.process.poll() if entry.process is not None else None
            if code is not None and entry.state == "serving":
                entry.state, entry.why = ("done" if entry.part.passing else "ended"), f"it ended with exit code {code}"
        return entries

    def _bring_up(self, name: str) -> None:
        entry = self._processes[name]
        why_not = self._await_others(entry.part.after)
        if why_not is not None and entry.state == "waiting":
            entry.state, entry.why = "failed", why_not
        elif entry.state == "waiting":
            self._launch(entry)
            self._await_service(entry)
        entry.settled.set()

    def _await_others(self, names: Iterable[str]) -> str | None:
        for name in names:
            other = self._processes.get(name)
            if other is None:
                return f"there is no part {name} to wait for"
            other.settled.wait()
            if other.state not in {"serving", "done"}:
                return f"its dependency {name} does not serve"
        return None

    def _launch(self, entry: _Process) -> None:
        entry.state, entry.began = "starting", time.monotonic()
        log = log_file(self._logs, entry.part.name)
        with log.open("ab") as output:
            try:
                entry.process = subprocess.Popen(
                    entry.part.command,
                    env={**self._environment, **entry.part.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                entry.why = f"cannot be started: {error}"

    def _await_service(self, entry: _Process) -> None:
        while entry.state == "starting":
            if entry.process is None or entry.process.poll() is not None:
                self._judge_end(entry)
                return
            why_not = entry.part.probe()
            if why_not is None:
                entry.state, entry.why, entry.served = "serving", "", time.monotonic()
                return
            entry.why = why_not
            if time.monotonic() - entry.began > entry.part.limit:
                entry.why = f"does not serve after {entry.part.limit:.0f} s: {why_not}"
                entry.state = "failed"
                return
            time.sleep(_PAUSE)

    @staticmethod
    def _judge_end(entry: _Process) -> None:
        """Judge a part that ended before it served; this is allowed only for parts with an end of their own."""
        code = entry.process.returncode if entry.process is not None else None
        entry.served = time.monotonic()
        if code == 0 and entry.part.passing:
            entry.state, entry.why = "done", ""
            return
        entry.why = entry.why if code is None else f"it ended with exit code {code}"
        entry.state = "failed"

    def _probed(self, entry: _Process) -> dict[str, object]:
        row = self._row(entry)
        if entry.state == "serving" and not entry.part.passing and (why_not := entry.part.probe()) is not None:
            row |= {"state": "failing", "why": why_not}
        return row

    @staticmethod
    def _row(entry: _Process) -> dict[str, object]:
        until = entry.served or time.monotonic()
        return {
            "name": entry.part.name,
            "state": entry.state,
            "seconds": round(until - entry.began, 1) if entry.began else 0.0,
            "pid": entry.process.pid if entry.process is not None else None,
            "exit_code": entry.process.poll() if entry.process is not None else None,
            "why": entry.why,
        }


def log_file(logs: Path, part: str) -> Path:
    """Return the path of a part's log."""
    return logs / f"{part.replace('/', '--')}.log"


def _alive(entry: _Process) -> bool:
    return entry.process is not None and entry.process.poll() is None


def _end(process: subprocess.Popen[bytes]) -> None:
    for order in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, order)
        except ProcessLookupError:
            return
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            continue
        return
