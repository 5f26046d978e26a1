"""The bucket, the zone, the instances and the caller, against a simulator of AWS."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest

from hcp_dr import errors
from hcp_dr.aws import zone
from hcp_dr.aws.client import ENDPOINT_VARIABLES, Aws, connect, settings_from
from hcp_dr.aws.port import Record, RecordChange
from tests.unit.aws.conftest import KEYS


def test_objects_of_the_bucket(aws: Aws, tmp_path: Path) -> None:
    bucket = aws.bucket
    assert bucket.head("a/b") is None
    bucket.put("a/b", b"content", metadata={"Fence-Id": "7"})
    stored = bucket.head("a/b")
    assert stored is not None
    assert (stored.key, stored.size, stored.metadata, stored.encryption) == ("a/b", 7, {"fence-id": "7"}, None)
    assert stored.etag == hashlib.md5(b"content", usedforsecurity=False).hexdigest()
    assert bucket.get("a/b") == b"content"
    assert bucket.get("a/b", first_bytes=3) == b"con"
    bucket.get_to_file("a/b", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    bucket.delete("a/b")
    bucket.delete("a/b")
    assert bucket.head("a/b") is None


def test_encryption_is_asked_for_and_told(simulator: str, aws: Aws) -> None:
    variables = {**KEYS, **dict.fromkeys(ENDPOINT_VARIABLES.values(), simulator), "BUCKET_ENCRYPTION": "aws:kms"}
    bucket = connect(settings_from(variables, bucket=aws.bucket.name, zone_id="Z1")).bucket
    bucket.put("put", b"content", metadata={})
    sha256 = hashlib.sha256(b"content").hexdigest()
    url, headers = bucket.presign_put("presigned", seconds=60, sha256_hex=sha256, metadata={})
    urlopen(Request(url, b"content", dict(headers), method="PUT")).close()  # noqa: S310 its own server
    heads = [bucket.head(key) for key in ("put", "presigned")]
    assert [head and head.encryption for head in heads] == ["aws:kms"] * 2


def test_the_beginning_of_an_empty_object(aws: Aws) -> None:
    aws.bucket.put("empty", b"", metadata={})
    assert aws.bucket.get("empty", first_bytes=4096) == b""


def test_what_cannot_be_read_leaves_no_file(aws: Aws, tmp_path: Path) -> None:
    with pytest.raises(errors.BucketRefused) as refused:
        aws.bucket.get_to_file("gone", tmp_path / "file")
    assert "gone" in str(refused.value)
    aws.bucket.put("here", b"content", metadata={})
    with pytest.raises(errors.ArchiveError):
        aws.bucket.get_to_file("here", tmp_path / "no-folder" / "file")
    assert list(tmp_path.iterdir()) == []


def test_records_are_read_as_they_were_written(aws: Aws) -> None:
    address = Record("api.hosted.example", "A", 30, ("10.0.0.1", "10.0.0.2"))
    text = Record("*.apps.hosted.example", "TXT", 300, ('"heritage=external-dns,external-dns/owner=one"',))
    alias = Record("router.hosted.example", "A", alias=("Z35SXDOTRQ7X7K", "lb.example", False))
    aws.zone.change([RecordChange("CREATE", record) for record in (address, text, alias)])
    read = {record for record in aws.zone.records() if record.type not in ("NS", "SOA")}
    assert read == {address, text, alias}
    assert aws.zone.domain() == "hosted.example"
    moved = Record("api.hosted.example", "A", 30, ("10.0.0.9",))
    aws.zone.change([RecordChange("UPSERT", moved), RecordChange("DELETE", text), RecordChange("DELETE", alias)])
    assert [record for record in aws.zone.records() if record.type not in ("NS", "SOA")] == [moved]


@pytest.mark.parametrize(
    "routing",
    [
        {"SetIdentifier": "blue", "Weight": 10},
        {"SetIdentifier": "blue", "Region": "us-east-1"},
        {"SetIdentifier": "blue", "Failover": "PRIMARY", "HealthCheckId": "abc"},
        {"SetIdentifier": "blue", "MultiValueAnswer": True},
    ],
)
def test_a_routing_policy_is_carried_exactly(routing: dict[str, Any]) -> None:
    """Route53 deletes a record set only if all of its fields are given."""
    given = {"Name": "api.example.", "Type": "A", "TTL": 30, "ResourceRecords": [{"Value": "10.0.0.1"}], **routing}
    record = zone._from_route53(given)  # type: ignore[arg-type]
    assert zone._to_route53(record) == given
    other = zone._from_route53({**given, "SetIdentifier": "green"})  # type: ignore[typeddict-item]
    assert record.place != other.place


def test_all_pages_of_records_are_read(aws: Aws) -> None:
    records = [Record(f"n{number:03}.hosted.example", "A", 30, ("10.0.0.1",)) for number in range(310)]
    aws.zone.change([RecordChange("CREATE", record) for record in records])
    assert [record for record in aws.zone.records() if record.type == "A"] == records


def test_a_batch_is_whole_or_nothing(aws: Aws) -> None:
    good, bad = (Record(f"{name}.hosted.example", "A", 30, ("10.0.0.1",)) for name in ("good", "bad"))
    with pytest.raises(errors.AwsError) as refused:
        aws.zone.change([RecordChange("CREATE", good), RecordChange("DELETE", bad)])
    assert "bad.hosted.example" in str(refused.value)
    assert not [record for record in aws.zone.records() if record.type == "A"]


def test_instances_come_in_the_order_asked(aws: Aws, session: boto3.Session) -> None:
    made = session.client("ec2").run_instances(
        ImageId="ami-12345678",
        MinCount=3,
        MaxCount=3,
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "worker"}]}],
    )
    first, second, third = (one["InstanceId"] for one in made["Instances"])
    aws.instances.protect(second, on=True)
    session.client("ec2").terminate_instances(InstanceIds=[third])
    found = aws.instances.describe([third, "i-0123456789abcdef0", second, first])
    assert [(one.instance_id, one.state, one.termination_protected) for one in found] == [
        (third, "terminated", False),
        (second, "running", True),
        (first, "running", False),
    ]
    assert found[1].tags == {"Name": "worker"}
    assert not found[1].spot
    aws.instances.protect(second, on=False)
    assert not aws.instances.describe([second])[0].termination_protected
    assert aws.instances.describe([]) == ()
    assert aws.instances.region == "eu-west-1"


def test_whose_credentials_these_are(aws: Aws) -> None:
    assert aws.identity.arn().startswith("arn:aws:")
