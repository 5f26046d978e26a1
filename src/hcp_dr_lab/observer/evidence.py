"""What the observer saw, as values and as JSON lines in a folder, so that a verdict can be checked by hand.

Times are seconds of the observer's one clock. A field that could not be read then is None, never empty.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Write:
    """One ConfigMap written by the hosted API's name, on its own connection. `sequence` is its content."""

    name: str
    sequence: int
    started: float
    ended: float
    acknowledged: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """One kube-apiserver asked /readyz at its own address. `side` is the management cluster's name."""

    side: str
    address: str
    started: float
    ended: float
    ready: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """One request to a workload pod."""

    target: str
    started: float
    ended: float
    answered: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """How workers and containers looked at one moment.

    instances: instance ID to EC2's word for its state. node_uids and node_boot_ids: by node name, as the
    hosted API tells. worker_boot_ids: by node name, as the hypervisor gave them. containers:
    namespace/pod/container to its ID.
    """

    at: float
    instances: Mapping[str, str] | None = None
    node_uids: Mapping[str, str] | None = None
    node_boot_ids: Mapping[str, str] | None = None
    worker_boot_ids: Mapping[str, str] | None = None
    containers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a verdict rests on. After `stopped` nothing was written, and all was read once more.

    `read_back` maps each ConfigMap found then to its content.
    """

    source: str
    destination: str
    stopped: float
    writes: tuple[Write, ...]
    read_back: Mapping[str, int] | None
    readiness: tuple[Readiness, ...]
    probes: tuple[Probe, ...]
    sights: tuple[Sight, ...]
    source_left: tuple[str, ...] | None


class Recorder:
    """Keeps what the observer's threads saw, in memory and as one JSON lines file for each kind of value."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._values: dict[type, list[Any]] = {Write: [], Readiness: [], Probe: [], Sight: []}

    def add(self, value: Write | Readiness | Probe | Sight) -> None:
        line = json.dumps(asdict(value), separators=(",", ":"))
        with self._lock:
            self._values[type(value)].append(value)
            with (self._folder / f"{type(value).__name__.lower()}.jsonl").open("a") as file:
                file.write(line + "\n")

    def acknowledged(self) -> int:
        with self._lock:
            return sum(write.acknowledged for write in self._values[Write])

    def evidence(
        self,
        *,
        sides: tuple[str, str],
        stopped: float,
        read_back: Mapping[str, int] | None,
        source_left: tuple[str, ...] | None,
    ) -> Evidence:
        """`sides` are the names of source and destination."""
        with self._lock:
            return Evidence(
                source=sides[0],
                destination=sides[1],
                stopped=stopped,
                writes=tuple(self._values[Write]),
                read_back=read_back,
                readiness=tuple(self._values[Readiness]),
                probes=tuple(self._values[Probe]),
                sights=tuple(self._values[Sight]),
                source_left=source_left,
            )
