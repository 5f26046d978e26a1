"""Presigned URLs lead to the bucket's own place: asked there, the rehearsal's S3 answers and redirects nobody."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hcp_dr import errors
from hcp_dr.aws import client, page
from hcp_dr.aws.bucket import S3Bucket
from hcp_dr.aws.client import settings_from
from hcp_dr.aws.mapping import translate_errors
from hcp_dr_lab.tabletop.aws import Keys, Storage
from tests.unit.aws.conftest import KEYS
from tests.unit.aws.test_access import open_aws, server, variables
from tests.unit.kube.api_server import Answer, Server

__all__ = ["server", "variables"]

BODY = b"a snapshot"
SHA256 = "5d0fd96f6b4a1a0ffbc60b0e0dfd6cf2b5ce8f3f8dc0e3f1fd1cb4d6e7d1b3d1"
REGIONS = (
    *("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-west-2", "eu-central-1", "ap-northeast-1"),
    *("af-south-1", "ap-east-1", "eu-south-1", "me-south-1", "ap-southeast-3", "ca-west-1", "il-central-1"),
    *("us-gov-west-1", "us-gov-east-1", "cn-north-1", "cn-northwest-1"),
)


def bucket_in(region: str, name: str = "dr-backups", **given: str) -> S3Bucket:
    settings = settings_from({**KEYS, "AWS_REGION": region, **given}, bucket=name, zone_id="Z")
    return S3Bucket(client._ClientFactory(settings).client("s3"), name)


def urls(bucket: S3Bucket) -> Mapping[str, tuple[str, str, Mapping[str, str]]]:
    """By what they are for: the method, the URL and its headers."""
    put, put_headers = bucket.presign_put("a/k", seconds=60, sha256_hex=SHA256, metadata={"fence": "f"}, if_absent=True)
    part, part_headers = bucket.presign_part("a/k", "up", 1, seconds=60, sha256_hex=SHA256)
    return {
        "get": ("GET", bucket.presign_get("a/k", seconds=60), {}),
        "put": ("PUT", put, put_headers),
        "part": ("PUT", part, part_headers),
    }


def domain_of(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


@pytest.mark.parametrize("region", REGIONS)
def test_the_host_is_the_bucket_in_its_region(region: str) -> None:
    hosts = {urlsplit(url).netloc for _, url, _ in urls(bucket_in(region)).values()}
    assert hosts == {f"dr-backups.s3.{region}.{domain_of(region)}"}


@pytest.mark.parametrize("region", REGIONS)
def test_a_name_with_dots_is_in_the_path(region: str) -> None:
    """No certificate covers it as a host."""
    for _, url, _ in urls(bucket_in(region, "dr.backups.example")).values():
        assert urlsplit(url).netloc == f"s3.{region}.{domain_of(region)}"
        assert urlsplit(url).path == "/dr.backups.example/a/k"


@pytest.mark.parametrize("name", ["dr-backups", "dr.backups.example"])
@pytest.mark.parametrize("region", REGIONS)
def test_a_bucket_that_was_just_made_is_found_at_once(region: str, name: str) -> None:
    """By what S3 does at each place, and with the signature that it reckons."""
    storage = Storage(now=time.time, keys=Keys("AKIAUNIT", "unit-secret"), region=region)
    storage.create_bucket(name)
    storage.put(name, "a/k", BODY)
    _, url, _ = urls(bucket_in(region, name))["get"]
    answer = storage.request("GET", url)
    assert (answer.status, answer.body) == (200, BODY)
    said = {use: storage.request(*each).body for use, each in urls(bucket_in(region, name)).items() if use != "get"}
    assert b"PreconditionFailed" in said["put"] or b"BadDigest" in said["put"], "past places and signatures"
    assert b"NoSuchUpload" in said["part"] or b"BadDigest" in said["part"]


@pytest.mark.parametrize(
    ("endpoint", "region", "status", "place"),
    [
        ("https://s3.amazonaws.com", "eu-west-2", 307, "dr-backups.s3.eu-west-2.amazonaws.com"),
        ("https://s3.amazonaws.com", "af-south-1", 400, ""),
        ("https://s3.amazonaws.com", "us-east-1", 200, ""),
        ("https://s3.us-east-1.amazonaws.com", "eu-west-2", 301, "dr-backups.s3.eu-west-2.amazonaws.com"),
        ("https://s3-us-west-2.amazonaws.com", "eu-west-2", 301, "dr-backups.s3.eu-west-2.amazonaws.com"),
        ("https://bucket.vpce-1.example", "eu-west-2", 404, ""),
    ],
)
def test_what_the_rehearsals_s3_answers_elsewhere(endpoint: str, region: str, status: int, place: str) -> None:
    now = 1_800_000_000.0
    storage = Storage(now=lambda: now, endpoint=endpoint, region=region)
    storage.create_bucket("dr-backups")
    storage.put("dr-backups", "k", BODY)
    answer = storage.request("GET", storage.presign("GET", "dr-backups", "k" if status != 404 else "o", seconds=60))
    assert answer.status == status
    read = page.read(answer.status, answer.body, answer.headers.get("location", ""))
    assert read.host == (place or ("dr-backups.s3.af-south-1.amazonaws.com" if status == 400 else ""))
    now += 25 * 3600
    later = storage.request("GET", storage.presign("GET", "dr-backups", "k", seconds=60))
    assert later.status == (status if status in (301, 400) else 200), "after a day every name is known everywhere"


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ({"AWS_USE_FIPS_ENDPOINT": "true"}, "dr-backups.s3-fips.us-west-2.amazonaws.com"),
        ({"AWS_USE_DUALSTACK_ENDPOINT": "True"}, "dr-backups.s3.dualstack.us-west-2.amazonaws.com"),
        (
            {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
            "dr-backups.s3-fips.dualstack.us-west-2.amazonaws.com",
        ),
        ({"AWS_USE_FIPS_ENDPOINT": "false"}, "dr-backups.s3.us-west-2.amazonaws.com"),
        ({"AWS_ENDPOINT_URL_S3": "https://s3.example:9000"}, "s3.example:9000"),
        ({"AWS_ENDPOINT_URL": "https://all.example"}, "all.example"),
        ({"AWS_ENDPOINT_URL": "https://all.example", "AWS_ENDPOINT_URL_S3": "https://s3.example"}, "s3.example"),
        ({"AWS_ENDPOINT_URL_S3": "https://s3.example", "AWS_USE_FIPS_ENDPOINT": "true"}, "s3.example"),
        ({"AWS_ENDPOINT_URL_S3": "https://s3.example", "AWS_USE_DUALSTACK_ENDPOINT": "true"}, "s3.example"),
    ],
    ids=str,
)
def test_what_the_variables_say_of_the_place(given: dict[str, str], host: str) -> None:
    for _, url, _ in urls(bucket_in("us-west-2", **given)).values():
        assert urlsplit(url).netloc == host
        assert urlsplit(url).path == ("/a/k" if host.startswith("dr-backups") else "/dr-backups/a/k")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("endpoint_url = https://profile.example", "profile.example"),
        ("services = mine\n[services mine]\ns3 =\n  endpoint_url = https://s3.profile.example", "s3.profile.example"),
        ("endpoint_url = https://profile.example\nignore_configured_endpoint_urls = true", ""),
        ("use_fips_endpoint = true", "dr-backups.s3-fips.us-west-2.amazonaws.com"),
        ("s3 =\n  addressing_style = path\n  use_accelerate_endpoint = true", ""),
    ],
)
def test_what_a_profile_says_of_the_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, host: str
) -> None:
    (tmp_path / "config").write_text(f"[default]\n{text}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for _, url, _ in urls(bucket_in("us-west-2")).values():
        assert urlsplit(url).netloc == (host or "dr-backups.s3.us-west-2.amazonaws.com")


def test_no_setting_leaks_from_one_client_into_the_next() -> None:
    """botocore writes into the mapping that it is given."""
    bucket_in("us-west-2", AWS_USE_DUALSTACK_ENDPOINT="true")
    assert "dualstack" not in bucket_in("us-west-2").presign_get("k", seconds=60)


# Redirects, as the product hears them itself


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            Answer(307, b"<Code>TemporaryRedirect</Code>", {"Location": "https://there.example/k?X-Amz-Signature=s"}),
            "307 TemporaryRedirect, a redirect to there.example.",
        ),
        (
            Answer(301, b"<Code>PermanentRedirect</Code><Endpoint>b.s3.eu-west-2.amazonaws.com</Endpoint>"),
            "301 PermanentRedirect, a redirect to b.s3.eu-west-2.amazonaws.com.",
        ),
        (Answer(302, b"", {"Location": "/sign-in"}), "302, a redirect to an unknown host."),
        (Answer(304, b""), "304"),
    ],
)
def test_a_redirect_is_nothing_that_could_be_measured(
    server: Server,
    variables: dict[str, str],
    answer: Answer,
    words: str,
) -> None:
    server.answers(answer)
    bucket = open_aws(variables).bucket
    with pytest.raises(errors.BucketRefused) as caught:
        bucket.size_behind(bucket.presign_get("k", seconds=60))
    assert words in caught.value.what
    assert "Signature" not in caught.value.paragraph()
    assert len(server.seen) == 1, "it is not followed"


@pytest.mark.parametrize("status", [301, 307])
def test_a_head_that_is_redirected_is_not_an_object_that_is_absent(
    server: Server,
    variables: dict[str, str],
    status: int,
) -> None:
    server.answer = lambda _: Answer(status, b"", {"Location": "https://there.example/"})
    with pytest.raises(errors.BucketRefused, match=f"{status}, a redirect to there.example"):
        open_aws(variables).bucket.head("k")


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://a.example/k?X-Amz-Signature=1", "a.example"),
        ("https://user:secret@A.example:9000/k", "a.example"),
        ("/k", ""),
        ("", ""),
        ("https://[broken/k", ""),
        ("https://two words.example/", ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_of_an_address_only_the_host_is_told(location: str, host: str) -> None:
    assert page.read(307, b"", location).host == host


def test_the_librarys_own_redirects_name_their_place() -> None:
    from botocore.exceptions import ClientError  # noqa: PLC0415

    answer: Any = {
        "Error": {"Code": "PermanentRedirect", "Message": "why", "Endpoint": "b.s3.eu-west-2.amazonaws.com"},
        "ResponseMetadata": {"HTTPStatusCode": 301, "HTTPHeaders": {}},
    }
    with pytest.raises(errors.BucketRefused, match="a redirect to b"), translate_errors("S3", "PutObject", "b"):
        raise ClientError(answer, "PutObject")
