"""Orders to the region's first process, over its control socket.

Whatever runs in the region is a child of its first process; a process put in from outside would outlive the region.
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
_START_SECONDS = 400.0  # longer than any row of parts may take


@dataclass(frozen=True, slots=True)
class PartStatus:
    """`state` is waiting, starting, serving, failing (it runs and does not serve), failed, stopped, ended (unasked) or
    done (a part with an end of its own); `why` says why it does not serve."""

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
        """Whether every part does that is to."""
        return all(part.state in {"serving", "done"} for part in self.parts)

    def part(self, name: str) -> PartStatus | None:
        return next((part for part in self.parts if part.name == name), None)


@dataclass(frozen=True, slots=True)
class Turned:
    """What an order to stop or start did: parts that it turned, those that were so already, and why others failed."""

    done: tuple[str, ...] = ()
    already: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)


class Control:
    """A client of one region's first process. Every method raises NoRegion when it does not answer."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def status(self, *, probe: bool = False) -> Status:
        """As each part was last seen, or, with `probe`, asked again."""
        answer = self._ask("GET", "/status?probe" if probe else "/status")
        return Status(answer["state"], tuple(PartStatus(**part) for part in answer["parts"]))

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start one more process in the region; it is then a part like the others, with a log of its own."""
        self._ask("POST", "/run", {"name": name, "command": list(command), "environment": dict(environment or {})})

    def stop(self, part: str) -> Turned:
        """Stop a part or a group of parts; returns when they are gone. Raises LabError where there is none."""
        return _turned(self._ask("POST", "/stop", {"part": part}))

    def start(self, part: str) -> Turned:
        """Start those that are stopped or ended; returns when they serve. Raises LabError where there is none,
        PartFailed where one does not serve."""
        told = _turned(self._ask("POST", "/start", {"part": part}, _START_SECONDS))
        if told.failed:
            said = " ".join(f"{name}: {why}." for name, why in told.failed.items())
            raise PartFailed(
                f"Not all parts of the region {self._layout.name} that were started serve. {said} The others were "
                f"started. Look at their logs in {self._layout.logs}, and at `hcp-dr-lab status`."
            )
        return told

    def faults(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Those that are set, one row each as Faults.rows, and the targets that there are."""
        answer = self._ask("GET", "/faults")
        return answer["faults"], answer["targets"]

    def set_fault(self, fault: Fault) -> int:
        """Its number. Raises LabError where it cannot be."""
        number: int = self._ask("POST", "/faults", asdict(fault))["number"]
        return number

    def clear_faults(self, which: str = "") -> list[int]:
        """The numbers of those removed: all, the one of that number, or those of that target. Raises LabError."""
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
            raise Refused(f"{answer['error']} Nothing was done in the region {self._layout.name}.")
        return answer


@contextmanager
def short_address(path: Path) -> Iterator[str]:
    """An address of the unix socket however long its path is: the kernel has room for 107 bytes only."""
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


def _turned(answer: Mapping[str, Any]) -> Turned:
    return Turned(tuple(answer["done"]), tuple(answer["already"]), answer.get("failed", {}))
