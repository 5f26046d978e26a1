"""The two sides of the contract. Tests use the product's ports, and helpers for direct access to the services."""

from __future__ import annotations

import http.client
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, Protocol
from unittest.mock import patch
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

from hcp_dr.aws.bucket import S3Bucket
from hcp_dr.aws.client import ENDPOINT_VARIABLES, Aws, connect, settings_from
from hcp_dr.aws.port import Bucket, HostedZone, Identity, Instances
from hcp_dr.aws.zone import Route53Zone
from hcp_dr_lab.ground.record_sets import parse_change
from hcp_dr_lab.standin.change import RunInstance
from hcp_dr_lab.tabletop.aws import (
    REQUESTS_PER_SECOND,
    Machines,
    MemoryBucket,
    MemoryIdentity,
    MemoryInstances,
    MemoryZone,
    Records,
    Refusal,
    Storage,
)
from tests.contract.aws.real import KEY, REGION, SECRET, Simulator

Headers = Mapping[str, str]
WORKER: Mapping[str, str] = MappingProxyType({"Name": "worker"})
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Answer:
    """`code` is S3's error code in a refusal's body."""

    status: int
    body: bytes

    @property
    def code(self) -> str:
        return self.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


class Storing(Protocol):
    """S3, with a new bucket for every test."""

    bucket: Bucket
    absent: Bucket  # a missing bucket

    def request(self, method: str, url: str, headers: Headers | None = None, body: bytes = b"") -> Answer:
        """Send an HTTP request, like curl in a pod."""
        ...

    def earlier(self, seconds: float) -> AbstractContextManager[None]:
        """Sign requests in this block `seconds` in the past."""
        ...


class MemoryStoring:
    def __init__(self) -> None:
        self._now = 1_800_000_000.0
        self._storage = Storage(now=lambda: self._now)
        self._storage.create_bucket("contract")
        self.bucket: Bucket = MemoryBucket(self._storage, "contract")
        self.absent: Bucket = MemoryBucket(self._storage, "absent")

    def request(self, method: str, url: str, headers: Headers | None = None, body: bytes = b"") -> Answer:
        answer = self._storage.request(method, url, headers or {}, body)
        return Answer(answer.status, answer.body)

    @contextmanager
    def earlier(self, seconds: float) -> Iterator[None]:
        self._now -= seconds
        try:
            yield
        finally:
            self._now += seconds


class RealStoring:
    def __init__(self, endpoint: str) -> None:
        name = f"contract-{next(_numbers)}"
        _client("s3", endpoint).create_bucket(Bucket=name)
        self.bucket: Bucket = _bucket(endpoint, name)
        self.absent: Bucket = _bucket(endpoint, "absent")

    def request(self, method: str, url: str, headers: Headers | None = None, body: bytes = b"") -> Answer:
        parts = urlsplit(url)
        with closing(http.client.HTTPConnection(parts.netloc, timeout=10)) as connection:
            connection.request(method, f"{parts.path}?{parts.query}", body or None, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())

    @contextmanager
    def earlier(self, seconds: float) -> Iterator[None]:
        then = (datetime.now(UTC) - timedelta(seconds=seconds)).replace(tzinfo=None)
        with patch("botocore.auth.get_current_datetime", lambda: then):
            yield


class Naming(Protocol):
    """Route53, with a new zone for every test."""

    zone: HostedZone
    absent: HostedZone  # a missing zone

    def throttled(self) -> HostedZone:
        """Return the same zone, limited to five requests a second."""
        ...

    def raw(self, name: str) -> list[str]:
        """Return the names of the zone's record sets in Route53's format."""
        ...

    def change_raw(self, *changes: Mapping[str, Any]) -> str:
        """Send a batch in the request's format; return the error code, empty for success."""
        ...


class MemoryNaming:
    def __init__(self) -> None:
        self._records = Records(now=lambda: 0.0)
        self._zone_id = self._records.create_zone("contract.example")
        self.zone: HostedZone = MemoryZone(self._records, self._zone_id)
        self.absent: HostedZone = MemoryZone(self._records, "ZABSENT")
        self._ticks = itertools.count(1)

    def throttled(self) -> HostedZone:
        """The clock advances by a fiftieth of a second at every reading."""
        slow = self._records.clone(now=lambda: next(self._ticks) / 50, per_second=REQUESTS_PER_SECOND)
        return MemoryZone(slow, self._zone_id)

    def raw(self, name: str) -> list[str]:
        page = self._records.list(self._zone_id)
        return [record.wire_name for record in page.records if name in record.wire_name]

    def change_raw(self, *changes: Mapping[str, Any]) -> str:
        try:
            self._records.change(self._zone_id, [parse_change(change) for change in changes])
        except Refusal as refusal:
            return refusal.code
        return ""


class RealNaming:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._client = _client("route53", simulator.plain)
        made = self._client.create_hosted_zone(Name="contract.example.", CallerReference=f"{next(_numbers)}")
        self._zone_id = made["HostedZone"]["Id"]
        self.zone: HostedZone = _zone(simulator.plain, self._zone_id)
        self.absent: HostedZone = _zone(simulator.plain, "ZABSENT")

    def throttled(self) -> HostedZone:
        return _zone(self._simulator.throttled, self._zone_id)

    def raw(self, name: str) -> list[str]:
        found = self._client.list_resource_record_sets(HostedZoneId=self._zone_id)["ResourceRecordSets"]
        return [record["Name"] for record in found if name in record["Name"]]

    def change_raw(self, *changes: Mapping[str, Any]) -> str:
        batch: Any = {"Changes": list(changes)}
        try:
            self._client.change_resource_record_sets(HostedZoneId=self._zone_id, ChangeBatch=batch)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""


class Computing(Protocol):
    """EC2 and STS."""

    instances: Instances
    identity: Identity

    def launch(self, count: int, tags: Mapping[str, str] = WORKER) -> list[str]:
        """Launch instances; return the IDs of the running instances."""
        ...

    def terminate(self, *instance_ids: str) -> str:
        """Terminate instances in one request; return the error code, empty for success."""
        ...


class MemoryComputing:
    def __init__(self) -> None:
        self._machines = Machines(now=lambda: 0.0)
        self.instances: Instances = MemoryInstances(self._machines, REGION)
        self.identity: Identity = MemoryIdentity()

    def launch(self, count: int, tags: Mapping[str, str] = WORKER) -> list[str]:
        wanted = RunInstance("ami-12345678", "m5.large", "", (), "", tags)
        return [self._machines.run(wanted).instance_id for _ in range(count)]

    def terminate(self, *instance_ids: str) -> str:
        try:
            self._machines.terminate(*instance_ids)
        except Refusal as refusal:
            return refusal.code
        return ""


class RealComputing:
    def __init__(self, simulator: Simulator) -> None:
        self._client = _client("ec2", simulator.plain)
        aws = _connected(simulator.plain)
        self.instances: Instances = aws.instances
        self.identity: Identity = aws.identity

    def launch(self, count: int, tags: Mapping[str, str] = WORKER) -> list[str]:
        written: Any = [{"Key": key, "Value": value} for key, value in tags.items()]
        made = self._client.run_instances(
            ImageId="ami-12345678",
            MinCount=count,
            MaxCount=count,
            TagSpecifications=[{"ResourceType": "instance", "Tags": written}],
        )
        return [one["InstanceId"] for one in made["Instances"]]

    def terminate(self, *instance_ids: str) -> str:
        wanted: Sequence[str] = list(instance_ids)
        try:
            self._client.terminate_instances(InstanceIds=wanted)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ""


@cache
def _client(service: Any, endpoint: str) -> Any:
    """Return a client for direct access to the service. Created once, because creation takes a tenth of a second."""
    return boto3.client(
        service, endpoint_url=endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name=REGION
    )


@cache
def _connected(endpoint: str) -> Aws:
    """Return the product's adapters, with the product's clients."""
    variables = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION}
    variables |= dict.fromkeys(ENDPOINT_VARIABLES.values(), endpoint)
    return connect(settings_from(variables, bucket="none", zone_id="none"))


def _bucket(endpoint: str, name: str) -> Bucket:
    made = _connected(endpoint).bucket
    assert isinstance(made, S3Bucket)
    return S3Bucket(made._client, name)


def _zone(endpoint: str, zone_id: str) -> HostedZone:
    made = _connected(endpoint).zone
    assert isinstance(made, Route53Zone)
    return Route53Zone(made._client, zone_id)
