# ruff: noqa: ARG002, ARG005 - ports have more arguments than a fake needs
"""Minimal in-memory ports of the product for tests of the core. They record the requests."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hcp_dr.aws.port import Encryption, Instance, ListedObject, Record, RecordChange, StoredObject, UploadedPart
from hcp_dr.errors import AlreadyExists, AwsConflict, Conflict, NotFound
from hcp_dr.kube.port import Completed, Event, Listing, Object, PatchBody, Propagation, Resource
from hcp_dr.model import Case, Ports
from tests.cases.building import an_object

CASE = Case(
    namespace="clusters",
    name="one",
    infra_id="one-x7k2",
    api_hostname="api-one.hosted.example",
    source="mgmt-1",
    destination="mgmt-2",
    node_pools=("workers",),
    aws_region="us-east-1",
    bucket="backups",
    zone_id="Z1",
    domain="hosted.example",
    backup_id="backup-1",
    source_uid="uid-of-mgmt-1",
    destination_uid="uid-of-mgmt-2",
)
Key = tuple[str, str | None, str]


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


class MemoryKubernetes:
    """`objects` in the short format of the cases. `asked` has every write as (verb, kind, name, ...). `before` is
    called with the verb before every request and may raise. `script` answers commands."""

    def __init__(self, name: str, *objects: Any) -> None:
        self.name = name
        self.server = f"https://{CASE.api_hostname if name == 'hosted' else f'{name}.example'}:6443"
        self.unverified = ""
        self.authority = ""
        self.context = ""
        self.objects: dict[Key, Object] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.before: Callable[[str], None] = lambda verb: None
        self.script: Callable[[Sequence[str], bytes | None], Completed] = lambda command, stdin: Completed(0, b"", b"")
        self.events: list[Event] = []
        self.tried: list[Key] = []
        self.forbidden: set[tuple[str, str]] = set()
        self.served: dict[str, tuple[str, ...]] = {}
        for item in objects:
            self.put(item)

    def put(self, item: Any) -> Object:
        body = an_object(item)
        self.objects[self._key(body)] = body
        return body

    @staticmethod
    def _key(body: Object) -> Key:
        return (body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"])

    def _error(self, kind: type[Any], verb: str, key: Key) -> Any:
        return kind(cluster=self.name, verb=verb, object=f"{key[0]} {key[2]}", reason="by the test")

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        found = self.find(resource, name, namespace)
        if found is None:
            raise self._error(NotFound, "get", (resource.kind, namespace, name))
        return found

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        self.before("get")
        return copy.deepcopy(self.objects.get((resource.kind, namespace, name)))

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> Listing:
        self.before("list")
        assert labels is None
        assert fields in (None, "metadata.name=-")
        items = [
            copy.deepcopy(item)
            for (kind, place, _), item in self.objects.items()
            if kind == resource.kind and namespace in (None, place) and fields is None
        ]
        return Listing(tuple(items), str(len(self.asked)))

    def try_create(self, resource: Resource, body: Object) -> None:
        self.before("try_create")
        key = self._key(body)
        self.tried.append(key)
        if key in self.objects:
            raise self._error(AlreadyExists, "create", key)

    def create(self, resource: Resource, body: Object) -> Object:
        self.before("create")
        key = self._key(body)
        self.asked.append(("create", *key))
        if key in self.objects:
            raise self._error(AlreadyExists, "create", key)
        return self.put(merged(body, {"metadata": {"uid": f"uid-of-{key[2]}"}}))

    def replace(self, resource: Resource, body: Object, *, subresource: str | None = None) -> Object:
        raise NotImplementedError

    def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str | None,
        patch: PatchBody,
        *,
        subresource: str | None = None,
    ) -> Object:
        self.before("patch")
        key = (resource.kind, namespace, name)
        self.asked.append(("patch", *key, patch, subresource))
        if key not in self.objects:
            raise self._error(NotFound, "patch", key)
        self.objects[key] = merged(self.objects[key], patch)
        return self.objects[key]

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
        propagation: Propagation = "Background",
    ) -> None:
        self.before("delete")
        key = (resource.kind, namespace, name)
        self.asked.append(("delete", *key, uid, grace_seconds, propagation))
        if key not in self.objects:
            raise self._error(NotFound, "delete", key)
        if uid not in (None, self.objects[key]["metadata"]["uid"]):
            raise self._error(Conflict, "delete", key)
        del self.objects[key]

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        seconds: float,
        labels: str | None = None,
    ) -> Iterator[Event]:
        self.before("watch")
        self.asked.append(("watch", resource.kind, namespace, resource_version, seconds))
        yield from self.events

    def execute(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        *,
        stdin: bytes | None = None,
        seconds: float = 60,
    ) -> Completed:
        self.before("execute")
        self.asked.append(("execute", namespace, pod, container, tuple(command), stdin))
        return self.script(command, stdin)

    def may(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        name: str | None = None,
    ) -> bool:
        self.before("may")
        return (verb, f"{resource}{'/' + subresource if subresource else ''}") not in self.forbidden

    def versions(self, group: str) -> tuple[str, ...]:
        self.before("versions")
        return self.served.get(group, ())

    def close(self) -> None:
        pass


@dataclass(eq=False)
class MemoryBucket:
    name: str = "backups"
    region: str = "us-east-1"
    encryption: Encryption | None = None
    objects: dict[str, StoredObject] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    elsewhere: dict[tuple[str, str], bytes] = field(default_factory=dict)  # by bucket and key
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    before: Callable[[str], None] = lambda verb: None

    def head(self, key: str) -> StoredObject | None:
        self.before("head")
        return self.objects.get(key)

    def put(
        self,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str],
        if_absent: bool = False,
        if_etag: str | None = None,
    ) -> str:
        self.before("put")
        there = self.objects.get(key)
        if (if_absent and there is not None) or (if_etag is not None and there is not None and there.etag != if_etag):
            raise AwsConflict(service="S3", operation="PutObject", object=key, reason="by the test")
        self.asked.append(("put", key, body, dict(metadata)))
        self.objects[key] = StoredObject(key, len(body), metadata, f"etag-{len(self.asked)}")
        self.bodies[key] = body
        return self.objects[key].etag

    def list(self, prefix: str) -> tuple[ListedObject, ...]:
        self.before("list")
        found = sorted(key for key in self.objects if key.startswith(prefix))
        return tuple(ListedObject(key, self.objects[key].size, 1000.0) for key in found)

    def get(self, key: str, *, first_bytes: int | None = None) -> bytes:
        self.before("get")
        return self.bodies[key]

    def read_elsewhere(self, bucket: str, key: str, *, first_bytes: int) -> bytes | None:
        self.before("read_elsewhere")
        found = self.elsewhere.get((bucket, key))
        return None if found is None else found[:first_bytes]

    def get_to_file(self, key: str, path: Path) -> None:
        raise NotImplementedError

    def stream(self, key: str) -> Iterator[bytes]:
        raise NotImplementedError

    def copy(self, source: str, key: str, *, metadata: Mapping[str, str], if_etag: str) -> None:
        self.before("copy")
        self.asked.append(("copy", source, key, dict(metadata), if_etag))
        self.objects[key] = replace(self.objects[source], key=key, metadata=metadata)

    def delete(self, key: str) -> None:
        self.before("delete")
        self.asked.append(("delete", key))
        self.objects.pop(key, None)

    def presign_put(
        self, key: str, *, seconds: int, sha256_hex: str, metadata: Mapping[str, str], if_absent: bool = False
    ) -> tuple[str, Mapping[str, str]]:
        self.asked.append(("presign_put", key, seconds, sha256_hex, dict(metadata)))
        return f"https://{self.name}.example/{key}?signature=secret", {"x-amz-meta-sha256": sha256_hex}

    def presign_get(self, key: str, *, seconds: int) -> str:
        return f"https://{self.name}.example/{key}?signature=secret"

    def size_behind(self, url: str) -> int:
        self.before("size_behind")
        stored = self.objects.get(url.removeprefix(f"https://{self.name}.example/").partition("?")[0])
        return stored.size if stored else 0

    def begin_upload(self, key: str, *, metadata: Mapping[str, str]) -> str:
        self.asked.append(("begin_upload", key, dict(metadata)))
        return "upload-1"

    def unfinished(self, key: str) -> tuple[str, ...]:
        raise NotImplementedError

    def presign_part(
        self, key: str, upload_id: str, number: int, *, seconds: int, sha256_hex: str
    ) -> tuple[str, Mapping[str, str]]:
        self.asked.append(("presign_part", key, upload_id, number, seconds, sha256_hex))
        return f"https://{self.name}.example/{key}?part={number}&signature=secret", {"x-amz-checksum-sha256": "c2hh"}

    def parts(self, key: str, upload_id: str) -> tuple[UploadedPart, ...] | None:
        raise NotImplementedError

    def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[UploadedPart], *, if_absent: bool = False
    ) -> None:
        self.asked.append(("complete_upload", key, upload_id, tuple(parts), if_absent))

    def abort_upload(self, key: str, upload_id: str) -> None:
        self.asked.append(("abort_upload", key, upload_id))


@dataclass
class MemoryZone:
    kept: tuple[Record, ...] = ()
    zone_id: str = "Z1"
    name: str = "hosted.example"
    asked: list[tuple[RecordChange, ...]] = field(default_factory=list)

    def domain(self) -> str:
        return self.name

    def records(self) -> tuple[Record, ...]:
        return self.kept

    def change(self, changes: Sequence[RecordChange]) -> None:
        self.asked.append(tuple(changes))


@dataclass
class MemoryInstances:
    """Running instances, by ID, with their termination protection."""

    running: dict[str, bool] = field(default_factory=dict)
    region: str = "us-east-1"
    asked: list[tuple[str, bool]] = field(default_factory=list)

    def describe(self, instance_ids: Sequence[str]) -> tuple[Instance, ...]:
        return tuple(
            Instance(name, "running", spot=False, termination_protected=self.running[name], tags={})
            for name in instance_ids
            if name in self.running
        )

    def protect(self, instance_id: str, *, on: bool) -> None:
        self.asked.append((instance_id, on))
        self.running[instance_id] = on


class MemoryIdentity:
    def arn(self) -> str:
        return "arn:aws:iam::1:user/relocator"

    def others(self) -> dict[str, Any]:
        return {}

    def lasts(self, seconds: int) -> bool | None:
        return True


@dataclass
class MemoryArchive:
    folder: str = "/backup"
    files: dict[str, str] = field(default_factory=dict)

    def read(self, path: str) -> bytes | None:
        return self.files[path].encode(errors="surrogateescape") if path in self.files else None

    def write(self, path: str, text: str) -> None:
        self.files[path] = text

    def paths(self, below: str) -> tuple[str, ...]:
        return tuple(sorted(path for path in self.files if path.rpartition("/")[0] == below))


@dataclass
class World:
    """All ports of one test."""

    source: MemoryKubernetes = field(default_factory=lambda: MemoryKubernetes("source"))
    destination: MemoryKubernetes = field(default_factory=lambda: MemoryKubernetes("destination"))
    hosted: MemoryKubernetes = field(default_factory=lambda: MemoryKubernetes("hosted"))
    bucket: MemoryBucket = field(default_factory=MemoryBucket)
    zone: MemoryZone = field(default_factory=MemoryZone)
    instances: MemoryInstances = field(default_factory=MemoryInstances)
    archive: MemoryArchive = field(default_factory=MemoryArchive)

    @property
    def ports(self) -> Ports:
        return Ports(
            source=self.source,
            destination=self.destination,
            hosted=self.hosted,
            bucket=self.bucket,
            zone=self.zone,
            instances=self.instances,
            identity=MemoryIdentity(),
            archive=self.archive,
            fresh_id=lambda: "fresh",
            now=lambda: 1000.0,
        )

    @property
    def written(self) -> list[Any]:
        """All writes except writes to the archive."""
        clusters = [call for cluster in (self.source, self.destination, self.hosted) for call in cluster.asked]
        return [*clusters, *self.bucket.asked, *self.zone.asked, *self.instances.asked]


def case(**changes: Any) -> Case:
    return replace(CASE, **changes)
