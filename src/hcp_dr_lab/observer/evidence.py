"""The observer's evidence as values and as JSON lines in a folder, so that a verdict can be checked and repeated.

Times are seconds of the observer's single clock. A field that could not be read is None, never empty.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

Verb = Literal["create", "update", "delete"]
Owner = Literal["workload", "neighbour"]
Topic = Literal["content", "volumes", "cloud", "neighbour", "foreign"]


@dataclass(frozen=True, slots=True)
class Write:
    """One write of the observer to a ConfigMap in the hosted cluster.

    `sequence` counts the writes of one name from 1, and is the ConfigMap's content after a create or update. Only one
    writer writes a name, sequentially, and never again after a write without acknowledgement (2xx). `side` is empty for
    writes by the API's public name, always on new connections; otherwise `side` is the name of the management cluster,
    and the write went to a kube-apiserver at its own `address`. `kept` means that the connection was reused. A
    `refused` write got a 4xx status and changed nothing. A write neither acknowledged nor refused may have changed the
    object.
    """

    name: str
    sequence: int
    started: float
    ended: float
    acknowledged: bool
    detail: str = ""
    verb: Verb = "create"
    side: str = ""
    address: str = ""
    kept: bool = False
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Readiness:
    """One request for /readyz to a kube-apiserver at its own address. `side` is the management cluster's name."""

    side: str
    address: str
    started: float
    ended: float
    ready: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """One request: to a pod of the hosted cluster's workload, or to the neighbour's API or workload."""

    target: str
    started: float
    ended: float
    answered: bool
    detail: str = ""
    of: Owner = "workload"


@dataclass(frozen=True, slots=True)
class Sight:
    """The state of workers and containers at one time.

    instances: instance ID to EC2's state. protection: instance ID to termination protection. node_uids and
    node_boot_ids: by node name, from the hosted API. worker_boot_ids: by node name, from the hypervisor. containers and
    restarts: namespace/pod/container to container ID and to restartCount.
    """

    at: float
    instances: Mapping[str, str] | None = None
    protection: Mapping[str, bool] | None = None
    node_uids: Mapping[str, str] | None = None
    node_boot_ids: Mapping[str, str] | None = None
    worker_boot_ids: Mapping[str, str] | None = None
    containers: Mapping[str, str] | None = None
    restarts: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Belongings:
    """Things that a relocation must leave unchanged: descriptions with a fingerprint of uid and content.

    content: samples of the hosted cluster's content, read through the hosted API. volumes: all PersistentVolumeClaims,
    also read through the hosted API. cloud: required AWS resources (OIDC documents, security groups). neighbour: all
    parts of another hosted cluster in the same namespace. foreign: sentinels that the observer created under other
    owners, in the zone, the bucket and both management clusters.
    """

    at: float
    topic: Topic
    things: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Replicas:
    """A Deployment of the namespace `hypershift` on the management cluster `side`: pods requested and Ready."""

    at: float
    side: str
    deployment: str
    asked: int
    ready: int


Seen = Write | Readiness | Probe | Sight | Belongings | Replicas
KINDS: tuple[type[Seen], ...] = (Write, Readiness, Probe, Sight, Belongings, Replicas)


@dataclass(frozen=True, slots=True)
class Closing:
    """The closing values of an observation. After `stopped` the observer wrote nothing, and read everything once more.

    source, destination: names of the management clusters. neighbour: the name of the neighbouring hosted cluster, or
    empty. read_back: the sequence in every ConfigMap of the observer, or 0 for content that was never written.
    source_left: descriptions of the hosted cluster's leftovers on the source.
    """

    source: str
    destination: str
    stopped: float
    neighbour: str = ""
    read_back: Mapping[str, int] | None = None
    source_left: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """The complete input of a verdict."""

    closing: Closing
    writes: tuple[Write, ...] = ()
    readiness: tuple[Readiness, ...] = ()
    probes: tuple[Probe, ...] = ()
    sights: tuple[Sight, ...] = ()
    belongings: tuple[Belongings, ...] = ()
    replicas: tuple[Replicas, ...] = ()


_Kind = TypeVar("_Kind", Write, Readiness, Probe, Sight, Belongings, Replicas)


class Recorder:
    """Stores the values recorded by the observer's threads, one file of JSON lines for each kind of value."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._acknowledged = 0
        self._closed = False

    def add(self, value: Seen) -> None:
        """Record a value. Values after `close` are ignored, so that the judged evidence equals the folder's content."""
        line = _line(value)
        with self._lock:
            if self._closed:
                return
            if isinstance(value, Write) and not value.side:
                self._acknowledged += value.acknowledged
            with _file(self._folder, type(value)).open("a") as file:
                file.write(line)

    def acknowledged(self) -> int:
        """Count the acknowledged writes by the public name."""
        with self._lock:
            return self._acknowledged

    def close(self, closing: Closing) -> Evidence:
        """Write the closing values, and return all evidence, read from the folder."""
        with self._lock:
            self._closed = True
            _closing(self._folder).write_text(json.dumps(asdict(closing), indent=1))
            return load(self._folder)


def load(folder: Path) -> Evidence:
    """Load a folder's evidence. Raises FileNotFoundError if it was never closed, ValueError if it is not evidence."""
    fields: dict[str, Any] = json.loads(_closing(folder).read_text())
    try:
        left = fields["source_left"]
        return Evidence(
            closing=Closing(**(fields | {"source_left": None if left is None else tuple(left)})),
            writes=tuple(_read(folder, Write)),
            readiness=tuple(_read(folder, Readiness)),
            probes=tuple(_read(folder, Probe)),
            sights=tuple(_read(folder, Sight)),
            belongings=tuple(_read(folder, Belongings)),
            replicas=tuple(_read(folder, Replicas)),
        )
    except (TypeError, KeyError) as error:
        raise ValueError(f"{folder} has no valid evidence: {error}") from error


def save(folder: Path, evidence: Evidence) -> None:
    """Write the evidence in the format of `Recorder`, for a world with evidence in memory. The folder must be new."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    every: tuple[Iterable[Seen], ...] = (
        evidence.writes,
        evidence.readiness,
        evidence.probes,
        evidence.sights,
        evidence.belongings,
        evidence.replicas,
    )
    for kind, values in zip(KINDS, every, strict=True):
        _file(folder, kind).write_text("".join(map(_line, values)))
    _closing(folder).write_text(json.dumps(asdict(evidence.closing), indent=1))


def _read(folder: Path, kind: type[_Kind]) -> Iterator[_Kind]:
    try:
        with _file(folder, kind).open() as lines:
            for line in lines:
                yield kind(**json.loads(line))
    except FileNotFoundError:
        return


def _line(value: Seen) -> str:
    return json.dumps(asdict(value), separators=(",", ":")) + "\n"


def _file(folder: Path, kind: type[Seen]) -> Path:
    return folder / f"{kind.__name__.lower()}.jsonl"


def _closing(folder: Path) -> Path:
    return folder / "closing.json"
