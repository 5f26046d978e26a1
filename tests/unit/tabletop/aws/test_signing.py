"""Our signatures are botocore's, byte for byte, and what does not hold is refused in S3's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import strategies as st

from hcp_dr_lab.tabletop.aws import Keys, Refusal
from hcp_dr_lab.tabletop.aws.signing import LONGEST_LIFE, presigned, verify

NOW = 1_800_000_000.0
KEYS = Keys("AKIAUNIT", "unit-secret")
OBJECT = "https://s3.example/bucket/a/b%20c%2B~d.db"
URL = presigned(KEYS, "us-east-1", "PUT", OBJECT, {"x-amz-meta-fence": "7"}, seconds=60, now=NOW)
SIGNED = {"x-amz-meta-fence": "7"}


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    then = datetime.fromtimestamp(NOW, UTC).replace(tzinfo=None)
    with patch("botocore.auth.get_current_datetime", lambda: then):
        yield boto3.client(
            "s3",
            aws_access_key_id=KEYS.access_key_id,
            aws_secret_access_key=KEYS.secret_access_key,
            aws_session_token="a/session+token==",
            region_name="eu-west-1",
            endpoint_url="https://s3.example",
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
        )


@pytest.mark.parametrize(
    ("operation", "method", "wanted", "headers", "query"),
    [
        ("get_object", "GET", {}, {}, ""),
        (
            "put_object",
            "PUT",
            {"Metadata": {"fence": "7"}, "IfNoneMatch": "*", "ServerSideEncryption": "AES256"},
            {"if-none-match": "*", "x-amz-meta-fence": "7", "x-amz-server-side-encryption": "AES256"},
            "",
        ),
        ("upload_part", "PUT", {"PartNumber": 2, "UploadId": "up load"}, {}, "?partNumber=2&uploadId=up%20load"),
    ],
)
def test_an_url_is_signed_as_botocore_signs_it(
    s3: Any, *, operation: str, method: str, wanted: Mapping[str, Any], headers: Mapping[str, str], query: str
) -> None:
    theirs = s3.generate_presigned_url(
        operation, Params={"Bucket": "bucket", "Key": "a/b c+~d.db", **wanted}, ExpiresIn=600
    )
    keys = Keys(KEYS.access_key_id, KEYS.secret_access_key, "a/session+token==")
    ours = presigned(keys, "eu-west-1", method, OBJECT + query, headers, seconds=600, now=NOW)
    assert dict(part.split("=", 1) for part in ours.partition("?")[2].split("&")) == dict(
        part.split("=", 1) for part in theirs.partition("?")[2].split("&")
    )
    assert ours.partition("?")[0] == theirs.partition("?")[0]
    verify(keys, method, theirs, headers, now=NOW)


@pytest.mark.parametrize(
    ("url", "now", "code"),
    [
        (OBJECT, NOW, "AccessDenied"),
        (URL, NOW + 60, "AccessDenied"),
        (URL, NOW - 901, "AccessDenied"),
        (URL.replace("AKIAUNIT", "AKIAOTHER"), NOW, "InvalidAccessKeyId"),
        (URL.replace("us-east-1", "us-west-1"), NOW, "SignatureDoesNotMatch"),
        (URL.replace("s3.example", "s4.example"), NOW, "SignatureDoesNotMatch"),
        (URL + "&versionId=1", NOW, "SignatureDoesNotMatch"),
        (URL.replace("X-Amz-Expires=60", "X-Amz-Expires=604801"), NOW, "AuthorizationQueryParametersError"),
        (URL.replace("X-Amz-Expires=60&", ""), NOW, "AuthorizationQueryParametersError"),
    ],
)
def test_what_does_not_hold_is_refused(url: str, now: float, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        verify(KEYS, "PUT", url, SIGNED, now=now)
    assert refused.value.code == code


def test_it_holds_until_its_last_second() -> None:
    verify(KEYS, "PUT", URL, {"X-Amz-Meta-Fence": " 7 ", "content-length": "9"}, now=NOW + 59.9)
    week = presigned(KEYS, "us-east-1", "GET", OBJECT, {}, seconds=LONGEST_LIFE, now=NOW)
    verify(KEYS, "GET", week, {}, now=NOW + LONGEST_LIFE - 1)


def test_an_url_does_not_tell_the_secret_and_neither_do_the_keys() -> None:
    assert "unit-secret" not in URL + repr(KEYS)


@given(st.integers(len("https://"), len(URL) - 1), st.sampled_from("abc019-%&=XZ"))
def test_no_character_behind_the_scheme_can_be_changed(place: int, character: str) -> None:
    changed = URL[:place] + character + URL[place + 1 :]
    if changed.lower() == URL.lower():  # the digits of an escape
        return
    with pytest.raises(Refusal):
        verify(KEYS, "PUT", changed, SIGNED, now=NOW)
