"""The backup folder: the documented layout and names, and the manifest of its content.

    namespaces/<namespace>/hc-<name>.yaml, np-, secret-, configmap-            HostedCluster's namespace
    namespaces/<control plane namespace>/secret-, configmap-, hcp-, cl-, awscl-, awsmt-, awsm-,
                                         machinedeployment-, machineset-, machine-
    manifest.json                                                              sha256 of each file, owners, snapshot

A manifest may come from the bucket or from a folder that an engineer copied. So a manifest is accepted only if each of
its entries names an object of this hosted cluster's two namespaces, with the file name of that object.

Files contain scrubbed objects, so that they can also be applied by hand; the manifest keeps the scrubbed values that
are still needed (owners, uid and resourceVersion on the source).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache, lru_cache
from typing import Any, Protocol

import yaml
from pydantic import TypeAdapter, ValidationError

from hcp_dr import __version__
from hcp_dr.errors import ArchiveError
from hcp_dr.inputs import parse_yaml
from hcp_dr.kube.port import Object
from hcp_dr.kube.shape import find_fault
from hcp_dr.objects.graph import Owner, owners_of
from hcp_dr.objects.naming import bucket_prefix, control_plane_namespace, is_name, snapshot_key
from hcp_dr.objects.reading import finalizers_of, name_of, namespace_of, uid_of
from hcp_dr.objects.scrub import scrub

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""libyaml's, if PyYAML has it: ten times faster, and each step reads a backup of thousands of objects."""

MANIFEST = "manifest.json"
FORMAT = 1
COMPLETED = "completed-by-hcp-dr"
"""The folder for the completed copies of files of a backup made by hand. The original files stay unchanged."""
BY_HAND = "by-hand-"
"""The prefix of the id of a fence that was made by hand."""
ENDINGS = (".yaml", ".yml", ".json")
"""The suffixes of files that were made by hand."""
_FOREIGN = (
    "The backup was not used. Find out who wrote that manifest; use the folder of the machine that made the backup, or "
    "make the backup again."
)
_INCOMPLETE = (
    "Copy the folder from the machine that made the backup to this machine, and run `hcp-dr resume` with --backup; "
    "if that folder is lost, make the backup again."
)
LAST_MOMENT = 253402300799.0
"""The end of the year 9999."""
_CACHED = 4096  # objects of a backup that are cached in memory

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
        """The folder's name in messages."""
        ...

    def read(self, path: str) -> bytes | None:
        """None if the file does not exist."""
        ...

    def write(self, path: str, text: str) -> None:
        """Write the file atomically, readable only by its owner."""
        ...

    def paths(self, below: str) -> tuple[str, ...]:
        """The paths of the files in this subfolder, without deeper subfolders; empty if the subfolder does not
        exist."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of the backup. uid and resource_version are those on the source."""

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
    """The etcd snapshot in the bucket. `hash` is etcd's own, `size` is in bytes, `sha256` of the file is hexadecimal;
    `encryption` is the bucket's, None if the bucket did not report it. `fence` is the id of the snapshot's fence; for
    an online backup it is the id of the moment `at`, in seconds since the epoch. `etag` is that of the verified
    object."""

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
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of a backup. `version` is the version of hcp-dr that wrote the manifest, "" for old versions; two
    manifests that differ only in the version are equal."""

    case: Mapping[str, Any]
    made_at: float  # seconds since the epoch
    fence: str | None  # None: the cluster was not fenced when this was written
    entries: tuple[Entry, ...]
    snapshot: Snapshot | None = None
    version: str = field(default=__version__, compare=False)

    def of_kind(self, kind: str) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.kind == kind)

    def to_text(self) -> str:
        """JSON, with one line for each entry."""
        rest = {key: value for key, value in _fields_of(self).items() if key != "entries"}
        head = json.dumps({"format": FORMAT, **rest}, default=_fields_of, indent=1, sort_keys=True)
        lines = ",\n".join(f"  {json.dumps(entry, default=_fields_of, sort_keys=True)}" for entry in self.entries)
        return f'{head.removesuffix("}").rstrip()},\n "entries": [\n{lines}\n ]\n}}\n'

    @classmethod
    def from_text(cls, text: str | bytes) -> Manifest:
        """Raises ValueError if the text is not a manifest of this format; the message names the field."""
        value = json.loads(text)
        if not isinstance(value, dict):
            raise ValueError("it is not a JSON object")
        if value.get("format") != FORMAT:
            raise ValueError(f"format {value.get('format')!r} instead of {FORMAT}")
        try:
            return _adapter().validate_json(json.dumps({"version": "", **value}), strict=True)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


@cache
def _adapter() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)


@dataclass(frozen=True, slots=True)
class Page:
    """A file of the backup and its entry in the manifest."""

    entry: Entry
    text: str


def _fields_of(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in fields(value)}


def path_of(item: Object) -> str:
    return _path(item["kind"], namespace_of(item), name_of(item))


def _path(kind: str, namespace: str | None, name: str) -> str:
    return f"namespaces/{namespace}/{_PREFIXES[kind]}-{name}.yaml"


def page(item: Object) -> Page:
    """The file for one object."""
    text = _to_yaml(json.dumps(scrub(item), sort_keys=True))
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


@lru_cache(maxsize=_CACHED)
def _to_yaml(content: str) -> str:
    """YAML from JSON. Cached: each comparison with a backup converts every object, and most have not changed."""
    return str(yaml.dump(json.loads(content), Dumper=_DUMPER, sort_keys=True, allow_unicode=True, width=1000))


@lru_cache(maxsize=_CACHED)
def _read(data: bytes) -> Object:
    item: Object = parse_yaml(data)
    return item


def sha256_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_manifest(archive: Archive) -> Manifest | None:
    """None if the folder has no manifest. Raises ArchiveError if the manifest is not readable or not valid."""
    data = archive.read(MANIFEST)
    return None if data is None else parse_manifest(data, archive.folder)


def parse_manifest(data: bytes, folder: str) -> Manifest:
    """Parse and validate a manifest; `folder` is for messages. Raises ArchiveError as `read_manifest`."""
    try:
        manifest, fault = _manifest(data)
    except (ValueError, RecursionError) as error:
        raise ArchiveError(folder=folder, reason=f"{MANIFEST} is not readable ({error})") from error
    if fault:
        raise ArchiveError(folder=folder, reason=f"{MANIFEST} {fault}", todo=_FOREIGN)
    return manifest


@lru_cache(maxsize=1)
def _manifest(data: bytes) -> tuple[Manifest, str]:
    """The manifest and its fault. Cached: each step reads the manifest, and most of the time it has not changed."""
    manifest = Manifest.from_text(data)
    return manifest, _find_fault(manifest)


def _find_fault(manifest: Manifest) -> str:
    """Why a manifest is not valid, "" if it is."""
    own, by_hand = _namespaces(manifest.case), str(manifest.fence or "").startswith(BY_HAND)
    files: set[str] = set()
    if not 0 <= manifest.made_at <= LAST_MOMENT:
        return "has a field made_at that is not a moment in seconds"
    if manifest.snapshot is not None and not 0 <= (manifest.snapshot.at or 0) <= LAST_MOMENT:
        return "has a field snapshot.at that is not a moment in seconds"
    for entry in manifest.entries:
        fault = f"has an entry for {entry.kind!r} {entry.namespace!r}/{entry.name!r} in {entry.file!r}"
        if entry.kind not in _PREFIXES:
            return f"{fault}, but backups do not contain this kind"
        if not is_name(entry.name):
            return f"{fault}, but this is not a valid object name"
        if entry.namespace not in own:
            return f"{fault}, but this hosted cluster's namespaces are {' and '.join(own) or 'not recorded'}"
        if entry.file != _path(entry.kind, entry.namespace, entry.name) and not (by_hand and _may_be_by_hand(entry)):
            return f"{fault}, but this is not the object's file"
        if entry.file in files:
            return f"{fault} twice"
        files.add(entry.file)
    return ""


def _namespaces(case: Mapping[str, Any]) -> tuple[str, ...]:
    """The namespaces of the HostedCluster and of its control plane; empty if the manifest does not name them."""
    namespace, name = str(case.get("namespace", "")), str(case.get("name", ""))
    valid = is_name(namespace) and "." not in namespace and is_name(name)
    return (namespace, control_plane_namespace(namespace, name)) if valid else ()


def _may_be_by_hand(entry: Entry) -> bool:
    """A file made by hand may have any name, within the folder of its namespace."""
    if entry.file == f"{COMPLETED}/np-{entry.name}.yaml":
        return entry.kind == "NodePool"
    folder, _, file = entry.file.rpartition("/")
    return folder == f"namespaces/{entry.namespace}" and file.endswith(ENDINGS) and file.isprintable()


def check_manifest(manifest: Manifest, *, key_prefix: str, bucket: str, folder: str) -> None:
    """Raises ArchiveError if the manifest belongs to another backup, or names a snapshot of another backup.
    `key_prefix` is the prefix of the backup in the bucket."""
    case, snapshot = manifest.case, manifest.snapshot
    own = f"{bucket_prefix(str(case.get('namespace')), str(case.get('name')))}{case.get('backup_id')}"
    if own != key_prefix:
        reason = f"{MANIFEST} belongs to the backup {own!r}, not to {key_prefix}"
    elif snapshot is not None and (snapshot.bucket, snapshot.key) != (bucket, snapshot_key(key_prefix)):
        place = f"{snapshot.key!r} in bucket {snapshot.bucket!r}"
        expected = f"{snapshot_key(key_prefix)} in {bucket}"
        reason = f"{MANIFEST} names the snapshot {place}, but the snapshot of this backup is {expected}"
    else:
        return
    raise ArchiveError(folder=folder, reason=reason, todo=_FOREIGN)


def read_objects(archive: Archive, entries: Iterable[Entry]) -> dict[Entry, Object]:
    """Read the objects from the files, and check each against its entry and sha256. The objects are shared: do not
    modify them. Raises ArchiveError."""
    objects: dict[Entry, Object] = {}
    for entry in entries:
        data = archive.read(entry.file)
        if data is None:
            raise ArchiveError(folder=archive.folder, reason=f"{entry.file} is missing", todo=_INCOMPLETE)
        if sha256_of(data) != entry.sha256:
            reason = f"{entry.file} was changed after the backup (sha256)"
            raise ArchiveError(folder=archive.folder, reason=reason, todo=_INCOMPLETE)
        objects[entry] = _parse_object(archive, entry, data)
    return objects


def _parse_object(archive: Archive, entry: Entry, data: bytes) -> Object:
    try:
        item = _read(data)
        identity = (item["apiVersion"], item["kind"], namespace_of(item), name_of(item))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArchiveError(
            folder=archive.folder, reason=f"{entry.file} contains no Kubernetes object", todo=_FOREIGN
        ) from error
    if identity != (entry.api_version, entry.kind, entry.namespace, entry.name):
        reason = f"{entry.file} contains {' '.join(map(repr, identity))}, but {MANIFEST} names another object"
        raise ArchiveError(folder=archive.folder, reason=reason, todo=_FOREIGN)
    if fault := find_fault(item):
        reason = f"{entry.file} contains no usable {entry.kind}: {fault}"
        raise ArchiveError(folder=archive.folder, reason=reason, todo=_FOREIGN)
    return item
