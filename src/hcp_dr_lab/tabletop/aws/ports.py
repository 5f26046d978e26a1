"""The product's ports to the services in memory. The product's own mapping converts refusals to errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from hcp_dr import errors
from hcp_dr.aws import checksum
from hcp_dr.aws.batch import check_size, describe
from hcp_dr.aws.mapping import from_answer, from_page
from hcp_dr.aws.paging import Listing
from hcp_dr.aws.port import (
    MAX_PART_BYTES,
    Encryption,
    Identity,
    Instance,
    ListedObject,
    Record,
    RecordChange,
    StoredObject,
    UploadedPart,
)
from hcp_dr_lab.ground.record_sets import Change, Place, RecordSet, full_name
from hcp_dr_lab.tabletop.aws.machines import Machine, Machines
from hcp_dr_lab.tabletop.aws.records import Records
from hcp_dr_lab.tabletop.aws.refusal import Refusal, Silence
from hcp_dr_lab.tabletop.aws.storage import Storage, Stored, Wanted

_NO_UPLOAD = "NoSuchUpload"
_PIECE = 1024 * 1024

Moment = Literal["before", "after"]
Interfere = Callable[[Moment, str, str, str], None]
"""Injects faults: called before a request is processed and before its response, with service, operation and subject as
in errors. May raise Refusal (the service fails) or Silence (no response)."""


def _peace(moment: Moment, service: str, operation: str, subject: str) -> None:
    pass


class _Port:
    def __init__(self, service: str, subject: str, interfere: Interfere) -> None:
        self._service = service
        self._subject = subject
        self._interfere = interfere

    @contextmanager
    def _asked(self, operation: str, subject: str | None = None) -> Iterator[None]:
        service, about = self._service, subject or self._subject
        try:
            self._interfere("before", service, operation, about)
            yield
            self._interfere("after", service, operation, about)
        except Refusal as refusal:
            raise from_answer(
                refusal.code, refusal.message, refusal.http, service=service, operation=operation, subject=about
            ) from refusal
        except Silence as silence:
            raise errors.AwsUnreachable(
                service=service, operation=operation, object=about, reason=str(silence)
            ) from silence


class MemoryBucket(_Port):
    """Implements hcp_dr.aws.port.Bucket."""

    def __init__(
        self,
        storage: Storage,
        name: str,
        *,
        encryption: Encryption | None = None,
        documents: Mapping[str, Mapping[str, str]] | None = None,
        interfere: Interfere = _peace,
    ) -> None:
        """`documents` are the contents of other buckets outside `storage`, by bucket and key."""
        super().__init__("S3", name, interfere)
        self._encryption = encryption
        self._documents = documents or {}
        self._storage = storage
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    @property
    def region(self) -> str:
        return self._storage.region

    @property
    def encryption(self) -> Encryption | None:
        return self._encryption

    def head(self, key: str) -> StoredObject | None:
        with self._asked(f"HeadObject {key}"):
            try:
                return _object(key, self._storage.get(self._name, key))
            except Refusal as refusal:
                if refusal.code == "NoSuchKey":
                    return None
                raise Refusal(str(refusal.http), _of_head(refusal), refusal.http) from refusal

    def list(self, prefix: str) -> tuple[ListedObject, ...]:
        with self._asked(f"ListObjectsV2 {prefix}"):
            found = {key: self._storage.get(self._name, key) for key in self._storage.keys_of(self._name, prefix)}
        return tuple(ListedObject(key, len(item.body), item.modified) for key, item in found.items())

    def put(
        self,
        key: str,
        body: bytes,
        *,
        metadata: Mapping[str, str],
        if_absent: bool = False,
        if_etag: str | None = None,
    ) -> str:
        wanted = Wanted(
            metadata=dict(metadata),
            sha256=checksum.of_body(body),
            encryption=self._encryption,
            if_none_match="*" if if_absent else None,
            if_match=if_etag,
        )
        with self._asked(f"PutObject {key}"):
            return self._storage.put(self._name, key, body, wanted).etag

    def get(self, key: str, *, first_bytes: int | None = None) -> bytes:
        with self._asked(f"GetObject {key}"):
            return self._storage.get(self._name, key).body[:first_bytes]

    def read_elsewhere(self, bucket: str, key: str, *, first_bytes: int) -> bytes | None:
        with self._asked(f"GetObject {key}"):
            if bucket in self._documents:
                text = self._documents[bucket].get(key)
                return None if text is None else text.encode()[:first_bytes]
            try:
                return self._storage.get(bucket, key).body[:first_bytes]
            except Refusal as refusal:
                if refusal.code == "NoSuchKey":
                    return None
                raise

    def get_to_file(self, key: str, path: Path) -> None:
        """Write the file atomically, readable only by its owner. Raises ArchiveError if the file cannot be written."""
        body = self.get(key)
        part = path.with_name(path.name + ".part")
        try:
            part.touch(mode=0o600)
            part.write_bytes(body)
            part.replace(path)
        except OSError as error:
            reason = f"{path.name} cannot be written: {error.strerror}"
            raise errors.ArchiveError(folder=path.parent, reason=reason) from error
        finally:
            part.unlink(missing_ok=True)

    def stream(self, key: str) -> Iterator[bytes]:
        body = self.get(key)
        return (body[place : place + _PIECE] for place in range(0, len(body), _PIECE))

    def copy(self, source: str, key: str, *, metadata: Mapping[str, str], if_etag: str) -> None:
        with self._asked(f"CopyObject {source} to {key}"):
            wanted = Wanted(metadata=dict(metadata), encryption=self._encryption)
            copied = self._storage.copy_in_parts if self._is_large(source) else self._storage.copy
            copied(self._name, source, key, wanted, if_match=if_etag)

    def _is_large(self, key: str) -> bool:
        return len(self._storage.get(self._name, key).body) > MAX_PART_BYTES

    def delete(self, key: str) -> None:
        with self._asked(f"DeleteObject {key}"):
            self._storage.delete(self._name, key)

    def presign_put(
        self, key: str, *, seconds: int, sha256_hex: str, metadata: Mapping[str, str], if_absent: bool = False
    ) -> tuple[str, Mapping[str, str]]:
        headers = {"x-amz-checksum-sha256": checksum.to_base64(sha256_hex)}
        headers |= {f"x-amz-meta-{name.lower()}": value for name, value in metadata.items()}
        headers |= {"x-amz-server-side-encryption": self._encryption} if self._encryption else {}
        headers |= {"if-none-match": "*"} if if_absent else {}
        return self._storage.presign("PUT", self._name, key, seconds=seconds, headers=headers), headers

    def presign_get(self, key: str, *, seconds: int) -> str:
        return self._storage.presign("GET", self._name, key, seconds=seconds)

    def size_behind(self, url: str) -> int:
        operation = "GET of a presigned URL"
        with self._asked(operation):
            answer = self._storage.request("GET", url, {"range": "bytes=0-0"})
        if not 200 <= answer.status < 300:
            location = answer.headers.get("location", "")
            raise from_page(
                answer.body, answer.status, location=location, service="S3", operation=operation, subject=self._name
            )
        size = answer.headers.get("content-range", "").rpartition("/")[2] or answer.headers.get("content-length", "")
        return int(size) if size.isdigit() else 0

    def begin_upload(self, key: str, *, metadata: Mapping[str, str]) -> str:
        with self._asked(f"CreateMultipartUpload {key}"):
            wanted = Wanted(dict(metadata), encryption=self._encryption)
            return self._storage.begin(self._name, key, wanted, checksummed=True)

    def unfinished(self, key: str) -> tuple[str, ...]:
        with self._asked(f"ListMultipartUploads {key}"):
            found = self._storage.uploads(self._name, key)
            return tuple(upload_id for upload_id, upload in found.items() if upload.key == key)

    def presign_part(
        self, key: str, upload_id: str, number: int, *, seconds: int, sha256_hex: str
    ) -> tuple[str, Mapping[str, str]]:
        headers = {"x-amz-checksum-sha256": checksum.to_base64(sha256_hex)}
        query = {"partNumber": str(number), "uploadId": upload_id}
        url = self._storage.presign("PUT", self._name, key, seconds=seconds, headers=headers, query=query)
        return url, headers

    def parts(self, key: str, upload_id: str) -> tuple[UploadedPart, ...] | None:
        with self._asked(f"ListParts {key}"):
            try:
                found = self._storage.upload(self._name, key, upload_id).parts
            except Refusal as refusal:
                if refusal.code == _NO_UPLOAD:
                    return None
                raise
            return tuple(
                UploadedPart(number, len(part.body), part.etag, checksum.to_hex(part.sha256 or ""))
                for number, part in sorted(found.items())
            )

    def complete_upload(
        self, key: str, upload_id: str, parts: Sequence[UploadedPart], *, if_absent: bool = False
    ) -> None:
        with self._asked(f"CompleteMultipartUpload {key}"):
            chosen = [(part.number, part.etag) for part in parts]
            condition = "*" if if_absent else None
            self._storage.complete(self._name, key, upload_id, chosen, if_none_match=condition)

    def abort_upload(self, key: str, upload_id: str) -> None:
        with self._asked(f"AbortMultipartUpload {key}"):
            try:
                self._storage.abort(self._name, key, upload_id)
            except Refusal as refusal:
                if refusal.code != _NO_UPLOAD:
                    raise


class MemoryZone(_Port):
    """Implements hcp_dr.aws.port.HostedZone."""

    def __init__(self, records: Records, zone_id: str, *, interfere: Interfere = _peace) -> None:
        self._zone_id = zone_id.rpartition("/")[2]
        super().__init__("Route53", self._zone_id, interfere)
        self._records = records
        self._listing = Listing(self._page)

    @property
    def zone_id(self) -> str:
        return self._zone_id

    def domain(self) -> str:
        with self._asked("GetHostedZone"):
            return self._records.zone(self._zone_id).name.removesuffix(".")

    def records(self) -> tuple[Record, ...]:
        return self._listing.read_all()

    def _page(self, start: Place | None) -> tuple[list[Record], Place | None]:
        with self._asked("ListResourceRecordSets"):
            page = self._records.list(self._zone_id, start)
            return [_record(found) for found in page.records], page.next

    def change(self, changes: Sequence[RecordChange]) -> None:
        check_size(changes, self._zone_id)
        with self._asked(describe(changes)):
            self._records.change(
                self._zone_id, [Change(change.action, _record_set(change.record)) for change in changes]
            )


class MemoryInstances(_Port):
    """Implements hcp_dr.aws.port.Instances."""

    def __init__(self, machines: Machines, region: str = "us-east-1", *, interfere: Interfere = _peace) -> None:
        super().__init__("EC2", region, interfere)
        self._machines = machines
        self._region = region

    @property
    def region(self) -> str:
        return self._region

    def describe(self, instance_ids: Sequence[str]) -> tuple[Instance, ...]:
        if not instance_ids:
            return ()
        with self._asked("DescribeInstances", f"{len(instance_ids)} instances"):
            return tuple(self._instance(found) for found in self._machines.filtered(instance_ids))

    def protect(self, instance_id: str, *, on: bool) -> None:
        with self._asked("ModifyInstanceAttribute", instance_id):
            self._machines.protect(instance_id, on=on)

    def _instance(self, found: Machine) -> Instance:
        return Instance(
            instance_id=found.instance_id,
            state=self._machines.state(found.instance_id),
            spot=found.spot,
            termination_protected=found.protected,
            tags=dict(found.tags),
        )


class MemoryIdentity(_Port):
    """Implements hcp_dr.aws.port.Identity."""

    def __init__(self, arn: str = "arn:aws:iam::123456789012:user/relocator", *, interfere: Interfere = _peace) -> None:
        super().__init__("STS", "the credentials", interfere)
        self._arn = arn

    def arn(self) -> str:
        with self._asked("GetCallerIdentity"):
            return self._arn

    def others(self) -> Mapping[str, Identity]:
        return {}

    def lasts(self, seconds: int) -> bool | None:
        del seconds
        return True


def _object(key: str, stored: Stored) -> StoredObject:
    modified = float(int(stored.modified))
    return StoredObject(key, len(stored.body), dict(stored.metadata), stored.etag, stored.encryption, modified)


def _of_head(refusal: Refusal) -> str:
    """Return boto3's error code for HEAD: the response has no body, so only the status is known."""
    return {403: "Forbidden", 404: "Not Found"}.get(refusal.http, "")


def _record(found: RecordSet) -> Record:
    alias = found.alias
    return Record(
        name=found.name.removesuffix("."),
        type=found.type,
        ttl=found.ttl,
        values=found.values,
        alias=(alias[0], alias[1].removesuffix("."), alias[2]) if alias else None,
    )


def _record_set(record: Record) -> RecordSet:
    alias = record.alias
    return RecordSet(
        name=full_name(record.name),
        type=record.type,
        ttl=record.ttl,
        values=record.values,
        alias=(alias[0], full_name(alias[1]), alias[2]) if alias else None,
    )
