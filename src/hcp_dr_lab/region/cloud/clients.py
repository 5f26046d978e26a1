"""AWS clients for the region's own processes, or, through the fault proxy, from outside."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from hcp_dr_lab.ground.layout import AWS_REGION, Layout
from hcp_dr_lab.region.cloud import storage

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_s3 import S3Client

_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1})


def ec2(layout: Layout, *, outside: bool = False) -> EC2Client:
    return _client(layout, "ec2", outside=outside)  # type: ignore[no-any-return]


def route53(layout: Layout, *, outside: bool = False) -> Route53Client:
    return _client(layout, "route53", outside=outside)  # type: ignore[no-any-return]


@cache
def s3(layout: Layout) -> S3Client:
    """Uses the region's credentials, because this service verifies signatures."""
    granted = storage.credentials(layout)
    session = boto3.Session(granted.access_key_id, granted.secret_access_key, region_name=AWS_REGION)
    return session.client(
        "s3",
        endpoint_url=layout.inside_s3_endpoint,
        verify=str(layout.ca_file),
        config=_CONFIG.merge(Config(signature_version="s3v4", s3={"addressing_style": "path"})),
    )


@cache
def _client(layout: Layout, service: str, *, outside: bool) -> Any:
    """Created once in a process, because creation takes half a second."""
    session = boto3.Session(aws_access_key_id="region", aws_secret_access_key="region", region_name=AWS_REGION)  # noqa: S106
    return session.client(
        service,  # type: ignore[call-overload]
        endpoint_url=layout.aws_endpoint if outside else layout.inside_aws_endpoint,
        verify=str(layout.ca_file),
        config=_CONFIG,
    )
