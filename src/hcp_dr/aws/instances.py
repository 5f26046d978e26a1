"""The EC2 instances of one region, and the identity of the credentials."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from botocore.credentials import Credentials, RefreshableCredentials

from hcp_dr.aws.mapping import translate_errors
from hcp_dr.aws.paging import MAX_AGE
from hcp_dr.aws.port import Identity, Instance
from hcp_dr.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef
    from mypy_boto3_sts import STSClient

_FILTER_VALUES = 200  # EC2's limit for one filter
_TERMINATED = ("shutting-down", "terminated")  # EC2 no longer returns attributes of instances in these states
_Cache = dict[str, tuple[float, bool]]
"""By instance id: the time of the request, and whether the instance is protected."""


class Ec2Instances:
    """Implements hcp_dr.aws.port.Instances.

    The protection of each instance costs one request, and EC2 accepts about twenty a second. So after a passing error
    the next call reuses the answers received so far, for a while; otherwise a large cluster might never be
    described."""

    def __init__(self, client: EC2Client, region: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._region = region
        self._now = now
        self._cache: _Cache = {}

    @property
    def region(self) -> str:
        return self._region

    def describe(self, instance_ids: Sequence[str]) -> tuple[Instance, ...]:
        instances = {
            instance["InstanceId"]: instance
            for start in range(0, len(instance_ids), _FILTER_VALUES)
            for instance in self._page(instance_ids[start : start + _FILTER_VALUES])
        }
        cache, self._cache = self._cache, {}
        try:
            return tuple(self._read(instances[each], cache) for each in instance_ids if each in instances)
        except AwsError as error:
            if error.passing:
                self._cache = cache
            raise

    def protect(self, instance_id: str, *, on: bool) -> None:
        self._cache = {}
        with translate_errors("EC2", "ModifyInstanceAttribute", instance_id):
            self._client.modify_instance_attribute(InstanceId=instance_id, DisableApiTermination={"Value": on})

    def _page(self, instance_ids: Sequence[str]) -> list[InstanceTypeDef]:
        """Select by a filter instead of by ids: EC2 refuses a request with an unknown id."""
        filters = [{"Name": "instance-id", "Values": list(instance_ids)}]
        with translate_errors("EC2", "DescribeInstances", f"{len(instance_ids)} instances"):
            pages = self._client.get_paginator("describe_instances").paginate(Filters=filters)  # type: ignore[arg-type]
            return [item for page in pages for group in page["Reservations"] for item in group["Instances"]]

    def _read(self, instance: InstanceTypeDef, cache: _Cache) -> Instance:
        instance_id, state = instance["InstanceId"], instance["State"]["Name"]
        return Instance(
            instance_id=instance_id,
            state=state,
            spot=instance.get("InstanceLifecycle") == "spot",
            termination_protected=state not in _TERMINATED and self._protected(instance_id, cache),
            tags={tag["Key"]: tag["Value"] for tag in instance.get("Tags", ())},
        )

    def _protected(self, instance_id: str, cache: _Cache) -> bool:
        now = self._now()
        at, protected = cache.get(instance_id, (now - 2 * MAX_AGE, False))
        if now - at > MAX_AGE:
            with translate_errors("EC2", "DescribeInstanceAttribute", instance_id):
                answer = self._client.describe_instance_attribute(
                    InstanceId=instance_id, Attribute="disableApiTermination"
                )
            protected = bool(answer["DisableApiTermination"].get("Value", False))
            cache[instance_id] = (now, protected)
        return protected


class StsIdentity:
    """Implements hcp_dr.aws.port.Identity. `credentials` sign all requests and URLs, but for the services of
    `others`."""

    def __init__(
        self, client: STSClient, credentials: Credentials | None, others: Mapping[str, Identity] | None = None
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._others = others or {}

    def arn(self) -> str:
        with translate_errors("STS", "GetCallerIdentity", "the credentials"):
            return self._client.get_caller_identity()["Arn"]

    def others(self) -> Mapping[str, Identity]:
        return self._others

    def lasts(self, seconds: int) -> bool | None:
        if isinstance(self._credentials, RefreshableCredentials):
            with translate_errors("STS", "refreshing", "the credentials"):
                self._credentials.get_frozen_credentials()
                return not self._credentials.refresh_needed(seconds)
        return None if self._credentials is not None and self._credentials.token else True
