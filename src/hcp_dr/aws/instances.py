"""The EC2 instances of one region, and whose credentials these are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hcp_dr.aws.mapping import mapped
from hcp_dr.aws.port import Instance

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef
    from mypy_boto3_sts import STSClient

_FILTER_VALUES = 200  # what EC2 takes in one filter
_GONE = ("shutting-down", "terminated")  # EC2 no longer tells the attributes of these


class Ec2Instances:
    """Implements hcp_dr.aws.port.Instances."""

    def __init__(self, client: EC2Client, region: str) -> None:
        self._client = client
        self._region = region

    @property
    def region(self) -> str:
        return self._region

    def describe(self, instance_ids: Sequence[str]) -> tuple[Instance, ...]:
        found = {
            instance["InstanceId"]: instance
            for start in range(0, len(instance_ids), _FILTER_VALUES)
            for instance in self._page(instance_ids[start : start + _FILTER_VALUES])
        }
        return tuple(self._read(found[instance_id]) for instance_id in instance_ids if instance_id in found)

    def protect(self, instance_id: str, *, on: bool) -> None:
        with mapped("EC2", "ModifyInstanceAttribute", instance_id):
            self._client.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": on})

    def _page(self, instance_ids: Sequence[str]) -> list[InstanceTypeDef]:
        """By a filter and not by ids, because of those EC2 refuses all when one is unknown."""
        wanted = [{"Name": "instance-id", "Values": list(instance_ids)}]
        with mapped("EC2", "DescribeInstances", f"{len(instance_ids)} instances"):
            pages = self._client.get_paginator("describe_instances").paginate(Filters=wanted)  # type: ignore[arg-type]
            return [one for page in pages for group in page["Reservations"] for one in group["Instances"]]

    def _read(self, found: InstanceTypeDef) -> Instance:
        instance_id, state = found["InstanceId"], found["State"]["Name"]
        return Instance(
            instance_id=instance_id,
            state=state,
            spot=found.get("InstanceLifecycle") == "spot",
            termination_protected=state not in _GONE and self._protected(instance_id),
            tags={tag["Key"]: tag["Value"] for tag in found.get("Tags", ())},
        )

    def _protected(self, instance_id: str) -> bool:
        with mapped("EC2", "DescribeInstanceAttribute", instance_id):
            answer = self._client.describe_instance_attribute(InstanceId=instance_id, Attribute="disableApiTermination")
            return bool(answer["DisableApiTermination"].get("Value", False))


class StsIdentity:
    """Implements hcp_dr.aws.port.Identity."""

    def __init__(self, client: STSClient) -> None:
        self._client = client

    def arn(self) -> str:
        with mapped("STS", "GetCallerIdentity", "the credentials"):
            return self._client.get_caller_identity()["Arn"]
