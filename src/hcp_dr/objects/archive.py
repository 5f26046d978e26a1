"""The backup folder: the documented layout and names, and the manifest that tells what is in it.

    namespaces/<namespace>/hc-<name>.yaml, np-, secret-, configmap-            HostedCluster's namespace
    namespaces/<control plane namespace>/secret-, configmap-, hcp-, cl-, awscl-, awsmt-, awsm-,
                                         machinedeployment-, machineset-, machine-
    manifest.json                                                              sha256 of each file, owners, snapshot

A manifest may come from the bucket, or with somebody's folder. So it is believed only where each of its lines stands
for an object of this hosted cluster's two namespaces, in the very file that such an object has.

Files hold scrubbed objects, so that they can also be applied by hand; what was scrubbed and is needed (owners, uid and
resourceVersion on the source) is in the manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Protocol

import yaml

from hcp_dr import __version__
from hcp_dr.errors import ArchiveError
from hcp_dr.kube.port import Object
from hcp_dr.objects.graph import Owner, owners_of
from hcp_dr.objects.naming import bucket_prefix, control_plane_namespace, is_name, snapshot_key
from hcp_dr.objects.reading import finalizers_of, name_of, namespace_of, uid_of
from hcp_dr.objects.scrub import scrub

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML has it: ten times faster, and a backup of thousands of objects is read at every step."""

MANIFEST = "manifest.json"
FORMAT = 1
COMPLETED = "completed-by-hcp-dr"
"""The folder for files of a backup made by hand that had to be completed. Those made by hand stay as they are."""
BY_HAND = "by-hand-"
"""With which the id of a fence begins that was made by hand."""
ENDINGS = (".yaml", ".yml", ".json")
"""Of files that were made by hand."""
_FOREIGN = (
    "Nothing of it was used. Find out who wrote that manifest; use the folder of the machine that made the backup, or "
    "make the backup again."
)
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
    seconds since the epoch, where it was taken of a cluster that went on. `etag` is that of the verified object."""

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
    """`version` is of the hcp-dr that wrote it, "" for one that did not say; another one makes no other manifest."""

    case: Mapping[str, Any]
    made_at: float  # seconds since the epoch
    fence: str | None  # None: the cluster was not fenced when this was written
    entries: tuple[Entry, ...]
    snapshot: Snapshot | None = None
    version: str = field(default=__version__, compare=False)

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
        odd = [each for each in value["entries"] if not _is_text(each)]
        version = value.get("version", "")
        if odd or not isinstance(value["made_at"], int | float) or not isinstance(version, str):
            raise TypeError("a value in it is of another kind than it must be")
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
            version,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """A file of the backup and its line in the manifest."""

    entry: Entry
    text: str


def _fields_of(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in fields(value)}


def _is_text(entry: Mapping[str, Any]) -> bool:
    rest = ("owners", "finalizers", "namespace")
    return all(isinstance(value, str) for name, value in entry.items() if name not in rest)


def path_of(item: Object) -> str:
    return _path(item["kind"], namespace_of(item), name_of(item))


def _path(kind: str, namespace: str | None, name: str) -> str:
    return f"namespaces/{namespace}/{_PREFIXES[kind]}-{name}.yaml"


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
    """None where the folder has none. Raises ArchiveError where it cannot be understood, or is not to be believed."""
    data = archive.read(MANIFEST)
    return None if data is None else understood(data, archive.folder)


def understood(data: bytes, folder: str) -> Manifest:
    """The manifest that these bytes are; `folder` is for messages. Raises ArchiveError as `read_manifest`."""
    try:
        manifest, fault = _manifest(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArchiveError(folder=folder, reason=f"{MANIFEST} is not readable ({error})") from error
    if fault:
        raise ArchiveError(folder=folder, reason=f"{MANIFEST} {fault}", todo=_FOREIGN)
    return manifest


@lru_cache(maxsize=1)
def _manifest(data: bytes) -> tuple[Manifest, str]:
    """Every look at a backup reads it anew, and most of the time it is as it was. With what is wrong with it."""
    manifest = Manifest.from_text(data)
    return manifest, _fault(manifest)


def _fault(manifest: Manifest) -> str:
    """Why a manifest is not to be believed, "" where it is."""
    own, by_hand = _namespaces(manifest.case), str(manifest.fence or "").startswith(BY_HAND)
    seen: set[str] = set()
    for entry in manifest.entries:
        named = f"has a line for {entry.kind!r} {entry.namespace!r}/{entry.name!r} in {entry.file!r}"
        if entry.kind not in _PREFIXES:
            return f"{named}, and no such kind is in a backup"
        if not is_name(entry.name):
            return f"{named}, and that is no name of an object"
        if entry.namespace not in own:
            return f"{named}, and this hosted cluster's namespaces are {' and '.join(own) or 'not told'}"
        if entry.file != _path(entry.kind, entry.namespace, entry.name) and not (by_hand and _may_be_by_hand(entry)):
            return f"{named}, and that is not its file"
        if entry.file in seen:
            return f"{named}, which is in it twice"
        seen.add(entry.file)
    return ""


def _namespaces(case: Mapping[str, Any]) -> tuple[str, ...]:
    """Of the HostedCluster and its control plane; none where the manifest does not say which it is."""
    namespace, name = str(case.get("namespace", "")), str(case.get("name", ""))
    whole = is_name(namespace) and "." not in namespace and is_name(name)
    return (namespace, control_plane_namespace(namespace, name)) if whole else ()


def _may_be_by_hand(entry: Entry) -> bool:
    """People give their files what names they like, within the folder of the namespace."""
    if entry.file == f"{COMPLETED}/np-{entry.name}.yaml":
        return entry.kind == "NodePool"
    folder, _, file = entry.file.rpartition("/")
    return folder == f"namespaces/{entry.namespace}" and file.endswith(ENDINGS) and file.isprintable()


def must_be_of(manifest: Manifest, *, key_prefix: str, bucket: str, folder: str) -> None:
    """Raises ArchiveError where it is the manifest of another backup, or names a snapshot that is not kept with it.
    `key_prefix` is where the backup is in the bucket."""
    case, snapshot = manifest.case, manifest.snapshot
    own = f"{bucket_prefix(str(case.get('namespace')), str(case.get('name')))}{case.get('backup_id')}"
    if own != key_prefix:
        reason = f"{MANIFEST} is of the backup {own!r}, and not of {key_prefix}"
    elif snapshot is not None and (snapshot.bucket, snapshot.key) != (bucket, snapshot_key(key_prefix)):
        where = f"{snapshot.key!r} in bucket {snapshot.bucket!r}"
        reason = f"{MANIFEST} names the snapshot {where}, and this backup's is {snapshot_key(key_prefix)} in {bucket}"
    else:
        return
    raise ArchiveError(folder=folder, reason=reason, todo=_FOREIGN)


def read_objects(archive: Archive, entries: Iterable[Entry]) -> dict[Entry, Object]:
    """The objects as the files hold them, each the one that its line names, and checked against its sha256; read them
    only. Raises ArchiveError."""
    objects: dict[Entry, Object] = {}
    for entry in entries:
        data = archive.read(entry.file)
        if data is None:
            raise ArchiveError(folder=archive.folder, reason=f"{entry.file} is missing", todo=_WHOLE)
        if sha256_of(data) != entry.sha256:
            reason = f"{entry.file} was changed after the backup (sha256)"
            raise ArchiveError(folder=archive.folder, reason=reason, todo=_WHOLE)
        objects[entry] = _the_one(archive, entry, data)
    return objects


def _the_one(archive: Archive, entry: Entry, data: bytes) -> Object:
    try:
        item = _read(data)
        found = (item["apiVersion"], item["kind"], namespace_of(item), name_of(item))
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArchiveError(folder=archive.folder, reason=f"{entry.file} holds no object", todo=_FOREIGN) from error
    if found != (entry.api_version, entry.kind, entry.namespace, entry.name):
        reason = f"{entry.file} holds {' '.join(map(repr, found))}, which is not what {MANIFEST} says"
        raise ArchiveError(folder=archive.folder, reason=reason, todo=_FOREIGN)
    return item
