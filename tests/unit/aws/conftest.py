"""A simulator of AWS on loopback for the whole run, and connections to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.loaders import create_loader
from moto.server import ThreadedMotoServer

from hcp_dr.aws.client import ENDPOINT_VARIABLES, Aws, connect, settings_from

LOADER = create_loader()
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAUNIT", "AWS_SECRET_ACCESS_KEY": "unit-secret", "AWS_REGION": "eu-west-1"}


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment nor the home of whoever runs the tests."""
    for name in (*KEYS, *ENDPOINT_VARIABLES.values(), "AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("botocore.session.create_loader", lambda _: LOADER)  # the descriptions of services, read once
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def simulator() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def session(simulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """For what a test needs to be there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", simulator)
    yield boto3.Session(aws_access_key_id="AKIAUNIT", aws_secret_access_key="unit-secret", region_name="eu-west-1")
    urlopen(Request(f"{simulator}/moto-api/reset", method="POST")).close()  # noqa: S310 its own server


@pytest.fixture
def zone_id(session: boto3.Session) -> str:
    made = session.client("route53").create_hosted_zone(Name="hosted.example.", CallerReference="unit")
    return made["HostedZone"]["Id"]


@pytest.fixture
def aws(simulator: str, session: boto3.Session, zone_id: str) -> Aws:
    session.client("s3").create_bucket(Bucket="unit", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    variables = {**KEYS, **dict.fromkeys(ENDPOINT_VARIABLES.values(), simulator)}
    return connect(settings_from(variables, bucket="unit", zone_id=zone_id))
