"""Requests to the region's first process, over its control socket.

All processes in the region are children of the first process; a process started from outside would outlive the region.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hcp_dr_lab.ground.errors import NoRegion, PartFailed, Refused
from hcp_dr_lab.ground.layout import Layout
from hcp_dr_lab.region.faults import Fault

_SECONDS = 60.0
_START_SECONDS = 400.0  # longer than the sum of limits of dependent parts


@dataclass(frozen=True, slots=True)
class PartStatus:
    """`state` is waiting, starting, serving, failing (running and not serving), failed, stopped, ended (without a
    request) or done (a part that ends by itself); `why` is the reason for not serving."""

    name: str
    state: str
    seconds: float
    pid: int | None
    exit_code: int | None
    why: str


@dataclass(frozen=True, slots=True)
class Status:
    """`state` of the region is starting, ready or failed."""

    state: str
    parts: tuple[PartStatus, ...] = field(default=())

    @property
    def serves(self) -> bool:
        """Whether every part that should serve does."""
        return all(part.state in {"serving", "done"} for part in self.parts)

    def part(self, name: str) -> PartStatus | None:
        return next((part for part in self.parts if part.name == name), None)


@dataclass(frozen=True, slots=True)
class StateChange:
    """The result of a stop or start: changed parts, parts already in this state, and failed parts with reasons."""

    done: tuple[str, ...] = ()
    already: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)


class Control:
    """A client of one region's first process. Every method raises NoRegion if the process does not answer."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def status(self, *, probe: bool = False) -> Status:
        """Return the last known status of every part, or, with `probe`, the current status."""
        answer = self._ask("GET", "/status?probe" if probe else "/status")
        return Status(answer["state"], tuple(PartStatus(**part) for part in answer["parts"]))

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start an additional process in the region. It becomes a part with its own log."""
        self._ask("POST", "/run", {"name": name, "command": list(command), "environment": dict(environment or {})})

    def stop(self, part: str) -> StateChange:
        """Stop a part or a group of parts, and wait for the end. Raises LabError if there is no such part."""
        return _parse_change(self._ask("POST", "/stop", {"part": part}))

    def start(self, part: str) -> StateChange:
        """Start the stopped or ended parts, and wait until they serve. Raises LabError if there is no such part,
        PartFailed if a part does not serve."""
        change = _parse_change(self._ask("POST", "/start", {"part": part}, _START_SECONDS))
        if change.failed:
            reasons = " ".join(f"{name}: {why}." for name, why in change.failed.items())
            raise PartFailed(
                f"Some parts of the region {self._layout.name} do not serve after their start. {reasons} The other "
                f"parts were started. Check the logs in {self._layout.logs}, and run `hcp-dr-lab status`."
            )
        return change

    def faults(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Return the active faults in the format of Faults.rows, and the available targets."""
        answer = self._ask("GET", "/faults")
        return answer["faults"], answer["targets"]

    def set_fault(self, fault: Fault) -> int:
        """Set a fault, and return its number. Raises LabError if the fault is refused."""
        number: int = self._ask("POST", "/faults", asdict(fault))["number"]
        return number

    def clear_faults(self, which: str = "") -> list[int]:
        """Remove all faults, one fault by number, or all faults of a target; return the numbers. Raises LabError."""
        cleared: list[int] = self._ask("DELETE", f"/faults?which={quote(which)}")["cleared"]
        return cleared

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, seconds: float = _SECONDS) -> Any:
        connection = _UnixConnection(self._layout.control_socket, seconds)
        try:
            connection.request(method, path, json.dumps(body).encode() if body is not None else None)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise NoRegion(
                f"The region {self._layout.name} does not answer ({self._layout.control_socket}: {error}). "
                f"Run `hcp-dr-lab up --name {self._layout.name}`."
            ) from error
        finally:
            connection.close()
        if response.status != 200:
            raise Refused(f"{answer['error']} Nothing was changed in the region {self._layout.name}.")
        return answer


@contextmanager
def short_address(path: Path) -> Iterator[str]:
    """Return a short address of a Unix socket with a long path: the kernel allows only 107 bytes."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("region", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with short_address(self._path) as address:
            self.sock.connect(address)


def _parse_change(answer: Mapping[str, Any]) -> StateChange:
    return StateChange(tuple(answer["done"]), tuple(answer["already"]), answer.get("failed", {}))
