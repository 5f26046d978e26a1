"""The backup folder: the documented layout and names, and the manifest that tells what is in it.

    namespaces/<namespace>/hc-<name>.yaml, np-, secret-, configmap-            HostedCluster's namespace
    namespaces/<control plane namespace>/secret-, configmap-, hcp-, cl-, awscl-, awsmt-, awsm-,
                                         machinedeployment-, machineset-, machine-
    manifest.json                                                              sha256 of each file, owners, snapshot

Files hold scrubbed objects, so that they can also be applied by hand; what was scrubbed and is needed (owners, uid and
resourceVersion on the source) is in the manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Protocol

import yaml

from hcp_dr.errors import ArchiveError
from hcp_dr.kube.port import Object
from hcp_dr.objects.graph import Owner, owners_of
from hcp_dr.objects.reading import finalizers_of, name_of, namespace_of, uid_of
from hcp_dr.objects.scrub import scrub

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML has it: ten times faster, and a backup of thousands of objects is read at every step."""

MANIFEST = "manifest.json"
FORMAT = 1
_WHOLE = (
    "Bring the folder of the machine that made the backup here, and run `hcp-dr resume --backup` with it; without it, "
    "make the backup again."
)
_KEPT = 4096  # objects of a backup that are not read or written twice

_PREFIXES = {
    "HostedCluster": "hc",
    "NodePool": "np",
    "Secret": "secret",
    "ConfigMap": "configmap",
    "HostedControlPlane": "hcp",
    "Cluster": "cl",
    "AWSCluster": "awscl",
    "AWSMachineTemplate": "awsmt",
    "AWSMachine": "awsm",
    "MachineDeployment": "machinedeployment",
    "MachineSet": "machineset",
    "Machine": "machine",
    "MachineHealthCheck": "machinehealthcheck",
}


class Archive(Protocol):
    """A backup folder. Paths are relative to it."""

    @property
    def folder(self) -> str:
        """For messages."""
        ...

    def read(self, path: str) -> bytes | None:
        """None where there is no such file."""
        ...

    def write(self, path: str, text: str) -> None:
        """Whole or not at all, readable by the owner only."""
        ...

    def paths(self, below: str) -> tuple[str, ...]:
        """The paths of the files in this folder of it, not of those in folders below; none where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of the backup. uid and resource_version are the source's."""

    file: str
    sha256: str
    api_version: str
    kind: str
    namespace: str | None
    name: str
    uid: str
    resource_version: str
    owners: tuple[Owner, ...]
    finalizers: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str]:
        return (self.kind, self.name)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The etcd snapshot in the bucket. `hash` is etcd's own, size in bytes, sha256 of the file as hex; `encryption` is
    what the bucket told of it, None where it told nothing. `fence` is the id of its fence, or of the moment `at`, in
    seconds since the epoch, where it was taken of a cluster that went on."""

    bucket: str
    key: str
    size: int
    sha256: str
    hash: str
    revision: int
    total_keys: int
    fence: str
    encryption: str | None = None
    fenced: bool = True
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    case: Mapping[str, Any]
    made_at: float  # seconds since the epoch
    fence: str | None  # None: the cluster was not fenced when this was written
    entries: tuple[Entry, ...]
    snapshot: Snapshot | None = None

    def of_kind(self, kind: str) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.kind == kind)

    def to_text(self) -> str:
        """JSON, with a line for each entry."""
        rest = {key: value for key, value in _fields_of(self).items() if key != "entries"}
        head = json.dumps({"format": FORMAT, **rest}, default=_fields_of, indent=1, sort_keys=True)
        lines = ",\n".join(f"  {json.dumps(entry, default=_fields_of, sort_keys=True)}" for entry in self.entries)
        return f'{head.removesuffix("}").rstrip()},\n "entries": [\n{lines}\n ]\n}}\n'

    @classmethod
    def from_text(cls, text: str | bytes) -> Manifest:
        """Raises ValueError, KeyError or TypeError where it is no manifest of this format."""
        value = json.loads(text)
        if not isinstance(value, dict):
            raise TypeError("it holds no object")
        if value.get("format") != FORMAT:
            raise ValueError(f"format {value.get('format')!r} instead of {FORMAT}")
        return cls(
            value["case"],
            value["made_at"],
            value["fence"],
            tuple(
                Entry(
                    **{
                        **entry,
                        "owners": tuple(Owner(**owner) for owner in entry["owners"]),
                        "finalizers": tuple(entry["finalizers"]),
                    }
                )
                for entry in value["entries"]
            ),
            Snapshot(**value["snapshot"]) if value["snapshot"] else None,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """A file of the backup and its line in the manifest."""

    entry: Entry
    text: str


def _fields_of(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in fields(value)}


def path_of(item: Object) -> str:
    return f"namespaces/{namespace_of(item)}/{_PREFIXES[item['kind']]}-{name_of(item)}.yaml"


def page(item: Object) -> Page:
    """The file for one object."""
    text = _written(json.dumps(scrub(item), sort_keys=True))
    return Page(
        Entry(
            file=path_of(item),
            sha256=sha256_of(text.encode()),
            api_version=item["apiVersion"],
            kind=item["kind"],
            namespace=namespace_of(item),
            name=name_of(item),
            uid=uid_of(item),
            resource_version=str(item["metadata"].get("resourceVersion", "")),
            owners=owners_of(item),
            finalizers=finalizers_of(item),
        ),
        text,
    )


@lru_cache(maxsize=_KEPT)
def _written(content: str) -> str:
    """YAML from JSON. Every look at a backup writes each object anew, and most of them are as they were."""
    return str(yaml.dump(json.loads(content), Dumper=_DUMPER, sort_keys=True, allow_unicode=True, width=1000))


@lru_cache(maxsize=_KEPT)
def _read(data: bytes) -> Object:
    found: Object = yaml.load(data, Loader=_LOADER)  # noqa: S506 - a safe one
    return found


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_manifest(archive: Archive) -> Manifest | None:
    """None where the folder has none. Raises ArchiveError where it cannot be understood."""

    data = archive.read(MANIFEST)
    if data is None:
        return None
    try:
        return _manifest(data)
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(folder=archive.folder, reason=f"{MANIFEST} is not readable ({error})") from error


@lru_cache(maxsize=1)
def _manifest(data: bytes) -> Manifest:
    """Every look at a backup reads it anew, and most of the time it is as it was."""
    return Manifest.from_text(data)


def read_objects(archive: Archive, entries: Iterable[Entry]) -> dict[Entry, Object]:
    """The objects as the files hold them, each checked against its sha256; read them only. Raises ArchiveError."""

    objects: dict[Entry, Object] = {}
    for entry in entries:
        data = archive.read(entry.file)
        if data is None:
            raise ArchiveError(folder=archive.folder, reason=f"{entry.file} is missing", todo=_WHOLE)
        if sha256_of(data) != entry.sha256:
            reason = f"{entry.file} was changed after the backup (sha256)"
            raise ArchiveError(folder=archive.folder, reason=reason, todo=_WHOLE)
        objects[entry] = _read(data)
    return objects
