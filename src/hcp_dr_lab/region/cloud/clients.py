"""The region's AWS services as its own processes use them: the same endpoint and certificate as everybody's."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from hcp_dr_lab.region.layout import AWS_REGION, Layout

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_route53 import Route53Client

_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1})


def ec2(layout: Layout) -> EC2Client:
    return _client(layout, "ec2")  # type: ignore[no-any-return]


def route53(layout: Layout) -> Route53Client:
    return _client(layout, "route53")  # type: ignore[no-any-return]


@cache
def _client(layout: Layout, service: str) -> Any:
    """Made once in a process: to make one costs half a second."""
    session = boto3.Session(aws_access_key_id="region", aws_secret_access_key="region", region_name=AWS_REGION)  # noqa: S106
    return session.client(
        service,  # type: ignore[call-overload]
        endpoint_url=layout.aws_endpoint,
        verify=str(layout.ca_file),
        config=_CONFIG,
    )
