"""The EC2 instances of one region, and whose credentials these are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from botocore.credentials import Credentials, RefreshableCredentials

from hcp_dr.aws.mapping import translate_errors
from hcp_dr.aws.paging import FRESH
from hcp_dr.aws.port import Instance
from hcp_dr.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef
    from mypy_boto3_sts import STSClient

_FILTER_VALUES = 200  # what EC2 takes in one filter
_GONE = ("shutting-down", "terminated")  # EC2 no longer tells the attributes of these


class Ec2Instances:
    """Implements hcp_dr.aws.port.Instances.

    The protection of each instance costs a request, and EC2 takes some twenty a second. So what was told before a
    request failed in a passing way counts for the next call, for a while, or many instances would never be described.
    """

    def __init__(self, client: EC2Client, region: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._region = region
        self._now = now
        self._told: dict[str, tuple[float, bool]] = {}  # when, and whether it is protected

    @property
    def region(self) -> str:
        return self._region

    def describe(self, instance_ids: Sequence[str]) -> tuple[Instance, ...]:
        found = {
            instance["InstanceId"]: instance
            for start in range(0, len(instance_ids), _FILTER_VALUES)
            for instance in self._page(instance_ids[start : start + _FILTER_VALUES])
        }
        told, self._told = self._told, {}
        try:
            return tuple(self._read(found[instance_id], told) for instance_id in instance_ids if instance_id in found)
        except AwsError as error:
            if error.passing:
                self._told = told
            raise

    def protect(self, instance_id: str, *, on: bool) -> None:
        self._told = {}
        with translate_errors("EC2", "ModifyInstanceAttribute", instance_id):
            self._client.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": on})

    def _page(self, instance_ids: Sequence[str]) -> list[InstanceTypeDef]:
        """By a filter and not by ids, because of those EC2 refuses all when one is unknown."""
        wanted = [{"Name": "instance-id", "Values": list(instance_ids)}]
        with translate_errors("EC2", "DescribeInstances", f"{len(instance_ids)} instances"):
            pages = self._client.get_paginator("describe_instances").paginate(Filters=wanted)  # type: ignore[arg-type]
            return [one for page in pages for group in page["Reservations"] for one in group["Instances"]]

    def _read(self, found: InstanceTypeDef, told: dict[str, tuple[float, bool]]) -> Instance:
        instance_id, state = found["InstanceId"], found["State"]["Name"]
        return Instance(
            instance_id=instance_id,
            state=state,
            spot=found.get("InstanceLifecycle") == "spot",
            termination_protected=state not in _GONE and self._protected(instance_id, told),
            tags={tag["Key"]: tag["Value"] for tag in found.get("Tags", ())},
        )

    def _protected(self, instance_id: str, told: dict[str, tuple[float, bool]]) -> bool:
        now = self._now()
        when, protected = told.get(instance_id, (now - 2 * FRESH, False))
        if now - when > FRESH:
            with translate_errors("EC2", "DescribeInstanceAttribute", instance_id):
                answer = self._client.describe_instance_attribute(
                    InstanceId=instance_id, Attribute="disableApiTermination"
                )
            protected = bool(answer["DisableApiTermination"].get("Value", False))
            told[instance_id] = (now, protected)
        return protected


class StsIdentity:
    """Implements hcp_dr.aws.port.Identity. `credentials` are those that everything is signed with."""

    def __init__(self, client: STSClient, credentials: Credentials | None) -> None:
        self._client = client
        self._credentials = credentials

    def arn(self) -> str:
        with translate_errors("STS", "GetCallerIdentity", "the credentials"):
            return self._client.get_caller_identity()["Arn"]

    def lasts(self, seconds: int) -> bool | None:
        if isinstance(self._credentials, RefreshableCredentials):
            with translate_errors("STS", "refreshing", "the credentials"):
                self._credentials.get_frozen_credentials()
                return not self._credentials.refresh_needed(seconds)
        return None if self._credentials is not None and self._credentials.token else True
