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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hcp_dr_lab.errors import LabError, NoRegion
from hcp_dr_lab.region.layout import Layout

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class PartStatus:
    """`state` is waiting, starting, serving, failed, stopped, ended (unasked) or done (a part with an end of its own);
    `why` says why it does not serve."""

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

    def part(self, name: str) -> PartStatus | None:
        return next((part for part in self.parts if part.name == name), None)


class Control:
    """A client of one region's first process. Every method raises NoRegion when it does not answer."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def status(self) -> Status:
        answer = self._ask("GET", "/status")
        return Status(answer["state"], tuple(PartStatus(**part) for part in answer["parts"]))

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start one more process in the region; it is then a part like the others, with a log of its own."""
        self._ask("POST", "/run", {"name": name, "command": list(command), "environment": dict(environment or {})})

    def stop(self, part: str) -> None:
        """SIGTERM, then SIGKILL after ten seconds; returns when the process is gone."""
        self._ask("POST", "/stop", {"part": part})

    def start(self, part: str) -> None:
        """Start a stopped or ended part again; does not wait until it serves."""
        self._ask("POST", "/start", {"part": part})

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        connection = _UnixConnection(self._layout.control_socket)
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
            raise LabError(f"The region {self._layout.name} refused {method} {path}: {answer['error']}.")
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
    def __init__(self, path: Path) -> None:
        super().__init__("region", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with short_address(self._path) as address:
            self.sock.connect(address)
