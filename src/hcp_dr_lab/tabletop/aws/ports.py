"""The product's ports to the services in memory. Refusals become the product's errors through its own mapping."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from hcp_dr import errors
from hcp_dr.aws.mapping import from_answer
from hcp_dr.aws.port import Instance, Record, RecordChange, StoredObject
from hcp_dr_lab.region.cloud.record_sets import Change, RecordSet, full_name
from hcp_dr_lab.tabletop.aws.machines import Machine, Machines
from hcp_dr_lab.tabletop.aws.records import Records
from hcp_dr_lab.tabletop.aws.refusal import Refusal, Silence
from hcp_dr_lab.tabletop.aws.storage import Storage, Stored, Wanted

Moment = Literal["before", "after"]
Interfere = Callable[[Moment, str, str, str], None]
"""Plays faults: asked before a request is heard and before its answer is given, with service, operation and subject as
they stand in errors. May raise Refusal (the service fails) or Silence (nothing comes back)."""


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

    def __init__(self, storage: Storage, name: str, *, interfere: Interfere = _peace) -> None:
        super().__init__("S3", name, interfere)
        self._storage = storage
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def head(self, key: str) -> StoredObject | None:
        with self._asked(f"HeadObject {key}"):
            try:
                return _object(key, self._storage.get(self._name, key))
            except Refusal as refusal:
                if refusal.code == "NoSuchKey":
                    return None
                raise Refusal(str(refusal.http), _of_head(refusal), refusal.http) from refusal

    def put(self, key: str, body: bytes, *, metadata: Mapping[str, str]) -> None:
        wanted = Wanted(dict(metadata), base64.b64encode(hashlib.sha256(body).digest()).decode())
        with self._asked(f"PutObject {key}"):
            self._storage.put(self._name, key, body, wanted)

    def get(self, key: str, *, first_bytes: int | None = None) -> bytes:
        with self._asked(f"GetObject {key}"):
            return self._storage.get(self._name, key).body[:first_bytes]

    def get_to_file(self, key: str, path: Path) -> None:
        """Whole or not at all, readable by its owner only. Raises ArchiveError where the file cannot be written."""
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

    def delete(self, key: str) -> None:
        with self._asked(f"DeleteObject {key}"):
            self._storage.delete(self._name, key)

    def presign_put(
        self, key: str, *, seconds: int, sha256_hex: str, metadata: Mapping[str, str]
    ) -> tuple[str, Mapping[str, str]]:
        headers = {"x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(sha256_hex)).decode()}
        headers |= {f"x-amz-meta-{name.lower()}": value for name, value in metadata.items()}
        return self._storage.presign("PUT", self._name, key, seconds=seconds, headers=headers), headers

    def presign_get(self, key: str, *, seconds: int) -> str:
        return self._storage.presign("GET", self._name, key, seconds=seconds)


class MemoryZone(_Port):
    """Implements hcp_dr.aws.port.HostedZone."""

    def __init__(self, records: Records, zone_id: str, *, interfere: Interfere = _peace) -> None:
        self._zone_id = zone_id.rpartition("/")[2]
        super().__init__("Route53", self._zone_id, interfere)
        self._records = records

    @property
    def zone_id(self) -> str:
        return self._zone_id

    def domain(self) -> str:
        with self._asked("GetHostedZone"):
            return self._records.zone(self._zone_id).name.removesuffix(".")

    def records(self) -> tuple[Record, ...]:
        with self._asked("ListResourceRecordSets"):
            found: list[Record] = []
            page = self._records.list(self._zone_id)
            found += map(_record, page.records)
            while page.next is not None:
                page = self._records.list(self._zone_id, page.next)
                found += map(_record, page.records)
            return tuple(found)

    def change(self, changes: Sequence[RecordChange]) -> None:
        names = sorted({change.record.name for change in changes})
        shown = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
        with self._asked(f"ChangeResourceRecordSets ({shown})"):
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
            termination_protected=found.protected and found.told != "terminate",
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


def _object(key: str, stored: Stored) -> StoredObject:
    return StoredObject(key, len(stored.body), dict(stored.metadata), stored.etag, stored.encryption)


def _of_head(refusal: Refusal) -> str:
    """An answer to HEAD has no body: boto3 knows its status only."""
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
