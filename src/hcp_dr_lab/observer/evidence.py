"""What the observer saw, as values and as JSON lines in a folder, so that a verdict can be checked, and judged again.

Times are seconds of the observer's one clock. A field that could not be read then is None, never empty.
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
    """One write of a ConfigMap of the observer's own in the hosted cluster.

    `sequence` counts the writes of one name from 1, and is the ConfigMap's content after a create or update. A name
    is written by one writer, one write after the other, and never again after one that was not acknowledged (2xx).
    `side` is empty for a write by the API's public name, each on a new connection; else the name of the management
    cluster whose kube-apiserver was written to at its own `address`. `kept` is a write on a connection that had
    served before. A write that was `refused` got an answer that says so (a 4xx status): it changed nothing, while one
    that was neither acknowledged nor refused may have.
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
    """One kube-apiserver asked /readyz at its own address. `side` is the management cluster's name."""

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
    """How workers and containers looked at one moment.

    instances: instance ID to EC2's word for its state. protection: instance ID to its termination protection.
    node_uids and node_boot_ids: by node name, as the hosted API tells. worker_boot_ids: by node name, as the
    hypervisor gave them. containers and restarts: namespace/pod/container to its ID and to its restartCount.
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
    """Things that a relocation has to leave as they are: each in words, with a fingerprint of its uid and content.

    content: samples of what the hosted cluster held before, read through its API. volumes: its PersistentVolumeClaims,
    all of them, read likewise. cloud: what it needs in AWS (OIDC documents, security groups). neighbour: another hosted
    cluster in the same namespace, in everything that it is.
    foreign: what the observer laid down under other owners, in the zone, the bucket and both management clusters.
    """

    at: float
    topic: Topic
    things: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Replicas:
    """A Deployment of the namespace `hypershift` on the management cluster `side`: pods asked for, and Ready."""

    at: float
    side: str
    deployment: str
    asked: int
    ready: int


Seen = Write | Readiness | Probe | Sight | Belongings | Replicas
KINDS: tuple[type[Seen], ...] = (Write, Readiness, Probe, Sight, Belongings, Replicas)


@dataclass(frozen=True, slots=True)
class Closing:
    """The frame of an observation, known at its end. After `stopped` nothing was written, and all was read once more.

    source, destination: names of the management clusters. neighbour: the name of the hosted cluster beside it, or
    empty where there is none. read_back: each of the observer's ConfigMaps found then, with the sequence in it, or 0
    where its content is none that was ever written. source_left: what the hosted cluster left on the source, in words.
    """

    source: str
    destination: str
    stopped: float
    neighbour: str = ""
    read_back: Mapping[str, int] | None = None
    source_left: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a verdict rests on."""

    closing: Closing
    writes: tuple[Write, ...] = ()
    readiness: tuple[Readiness, ...] = ()
    probes: tuple[Probe, ...] = ()
    sights: tuple[Sight, ...] = ()
    belongings: tuple[Belongings, ...] = ()
    replicas: tuple[Replicas, ...] = ()


_Kind = TypeVar("_Kind", Write, Readiness, Probe, Sight, Belongings, Replicas)


class Recorder:
    """Keeps what the observer's threads saw, one file of JSON lines for each kind of value."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._acknowledged = 0
        self._closed = False

    def add(self, value: Seen) -> None:
        """Nothing more is taken after `close`: what is judged is what is in the folder."""
        line = _line(value)
        with self._lock:
            if self._closed:
                return
            if isinstance(value, Write) and not value.side:
                self._acknowledged += value.acknowledged
            with _file(self._folder, type(value)).open("a") as file:
                file.write(line)

    def acknowledged(self) -> int:
        """Writes by the public name."""
        with self._lock:
            return self._acknowledged

    def close(self, closing: Closing) -> Evidence:
        """All that was seen, read from the folder."""
        with self._lock:
            self._closed = True
            _closing(self._folder).write_text(json.dumps(asdict(closing), indent=1))
            return load(self._folder)


def load(folder: Path) -> Evidence:
    """The evidence in a folder. Raises FileNotFoundError for one that was never closed, ValueError for no evidence."""
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
        raise ValueError(f"{folder} holds no evidence that can be judged: {error}") from error


def save(folder: Path, evidence: Evidence) -> None:
    """As `Recorder` writes it, all at once; for a world that has its evidence in memory. The folder is to be new."""
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
