"""Settings, presigned URLs, and every way in which AWS says no or says nothing."""

from __future__ import annotations

import base64
import hashlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore import exceptions

from hcp_dr import errors
from hcp_dr.aws import client
from hcp_dr.aws.client import ENDPOINT_VARIABLES, Aws, AwsSettings, connect, settings_from
from hcp_dr.aws.mapping import translate_errors
from hcp_dr.aws.port import Record, RecordChange, UploadedPart
from tests.unit.aws.conftest import KEYS
from tests.unit.kube.api_server import Answer, Authority, Seen, Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Answers in the place of AWS, over TLS."""
    authority = Authority("unit-tests")
    (tmp_path / "ca.crt").write_text(authority.certificate)
    running = Server(authority.issue("aws", "127.0.0.1"), authority.certificate, tmp_path)
    yield running
    running.stop()


@pytest.fixture
def variables(server: Server, tmp_path: Path) -> dict[str, str]:
    place = f"https://127.0.0.1:{server.port}"
    return {**KEYS, **dict.fromkeys(ENDPOINT_VARIABLES.values(), place), "AWS_CA_BUNDLE": str(tmp_path / "ca.crt")}


def open_aws(variables: dict[str, str]) -> Aws:
    return connect(settings_from(variables, bucket="unit", zone_id="/hostedzone/Z1"))


def xml(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{'why ' * 100}</Message></Error>".encode()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(403, xml("AccessDenied")), errors.BucketRefused),
        (Answer(404, xml("NoSuchBucket")), errors.BucketRefused),
        (Answer(403, xml("InvalidAccessKeyId")), errors.AwsDenied),
        (Answer(403, xml("SignatureDoesNotMatch")), errors.AwsDenied),
        (Answer(400, xml("ExpiredToken")), errors.AwsDenied),
        (Answer(503, xml("SlowDown")), errors.AwsBusy),
        (Answer(500, b""), errors.AwsBusy),
        (Answer(400, xml("RequestTimeout")), errors.AwsBusy),
        (Answer(409, xml("ConditionalRequestConflict")), errors.AwsBusy),
        (Answer(412, xml("PreconditionFailed")), errors.AwsConflict),
        (Answer(reset=True), errors.AwsUnreachable),
        (Answer(hang=True), errors.AwsUnreachable),
        (Answer(200, b"abc", cut=True), errors.AwsUnreachable),
    ],
)
def test_what_the_bucket_says(
    server: Server,
    variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    error: type[errors.AwsError],
) -> None:
    monkeypatch.setattr(client, "RESPONSE_SECONDS", 0.2)
    server.answers(answer)
    with pytest.raises(errors.AwsError) as caught:
        open_aws(variables).bucket.get("key")
    assert type(caught.value) is error
    assert "unit" in str(caught.value)
    assert len(str(caught.value)) < 500
    assert len(server.seen) == 1, "nothing is tried twice"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("AccessDenied", errors.AwsDenied),
        ("InvalidClientTokenId", errors.AwsDenied),
        ("Throttling", errors.AwsBusy),
        ("PriorRequestNotComplete", errors.AwsBusy),
        ("InvalidChangeBatch", errors.AwsError),
        ("NoSuchHostedZone", errors.AwsError),
    ],
)
def test_what_the_zone_says(server: Server, variables: dict[str, str], code: str, error: type[errors.AwsError]) -> None:
    answer = f"<ErrorResponse>{xml(code).decode()}<RequestId>1</RequestId></ErrorResponse>".encode()
    server.answers(Answer(400, answer))
    with pytest.raises(errors.AwsError) as caught:
        open_aws(variables).zone.change([RecordChange("DELETE", Record("a.example", "A", 1, ("10.0.0.1",)))])
    assert type(caught.value) is error
    assert "Z1" in str(caught.value)
    assert len(server.seen) == 1


def test_encryption_is_asked_for_when_an_upload_begins(server: Server, variables: dict[str, str]) -> None:
    server.answers(
        Answer(200, b"<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>")
    )
    bucket = open_aws({**variables, "BUCKET_ENCRYPTION": "aws:kms"}).bucket
    assert bucket.begin_upload("key", metadata={"Fence": "7"}) == "7"
    headers = server.seen[0].headers
    assert headers["x-amz-server-side-encryption"] == "aws:kms"
    assert headers["x-amz-checksum-algorithm"] == "SHA256"
    assert headers["x-amz-meta-fence"] == "7"


def test_an_upload_that_fails_after_its_200_has_failed(server: Server, variables: dict[str, str]) -> None:
    """S3 begins to answer before it has put the parts together, and says in the body how it ended."""
    server.answers(Answer(200, xml("InternalError")))
    part = UploadedPart(1, 1, "etag", "00" * 32)
    with pytest.raises(errors.AwsBusy, match="CompleteMultipartUpload"):
        open_aws(variables).bucket.complete_upload("key", "upload", [part])
    assert len(server.seen) == 1


def test_an_endpoint_whose_certificate_is_not_trusted(server: Server, variables: dict[str, str]) -> None:
    del variables["AWS_CA_BUNDLE"]
    with pytest.raises(errors.AwsUnreachable) as caught:
        open_aws(variables).identity.arn()
    assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value)
    assert server.seen == []


def kinds() -> list[type[Exception]]:
    found = (member for _, member in inspect.getmembers(exceptions, inspect.isclass))
    return [kind for kind in found if issubclass(kind, Exception) and not issubclass(kind, Warning)]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_exception_is_mapped(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "why")
    if isinstance(error, exceptions.ClientError):
        error.response = {}
    with pytest.raises(errors.AwsError) as caught, translate_errors("EC2", "DescribeInstances", "i-1"):
        raise error
    assert isinstance(caught.value.__cause__, kind)
    assert "why" in str(caught.value) or issubclass(kind, exceptions.ClientError)


def test_the_walk_saw_the_library() -> None:
    assert {exceptions.ClientError, exceptions.EndpointConnectionError, exceptions.NoCredentialsError} <= set(kinds())


def test_a_presigned_put_signs_what_it_must_carry(variables: dict[str, str]) -> None:
    digest = hashlib.sha256(b"snapshot")
    metadata = {"Fence-Id": "7", "sha256": digest.hexdigest()}
    url, headers = open_aws(variables).bucket.presign_put(
        "a/snapshot.db", seconds=600, sha256_hex=digest.hexdigest(), metadata=metadata
    )
    query = parse_qs(urlsplit(url).query)
    assert urlsplit(url).path == "/unit/a/snapshot.db"
    assert query["X-Amz-Expires"] == ["600"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert "/eu-west-1/s3/" in query["X-Amz-Credential"][0]
    assert set(query["X-Amz-SignedHeaders"][0].split(";")) == {"host", *headers}
    assert headers == {
        "x-amz-checksum-sha256": base64.b64encode(digest.digest()).decode(),
        "x-amz-meta-fence-id": "7",
        "x-amz-meta-sha256": digest.hexdigest(),
    }
    assert "unit-secret" not in url


def test_a_presigned_get(variables: dict[str, str]) -> None:
    url = open_aws(variables).bucket.presign_get("a/snapshot.db", seconds=60)
    assert url.startswith(variables["AWS_ENDPOINT_URL_S3"] + "/unit/a/snapshot.db?")
    assert parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"] == ["host"]
    assert len(url) < 1024


@pytest.mark.parametrize("code", [200, 301, 403])
def test_a_bucket_of_another_region_is_signed_for_there(
    server: Server, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def answer(seen: Seen) -> Answer:
        assert seen.method == "HEAD"
        return Answer(code, b"", {"x-amz-bucket-region": "us-west-2"})

    server.answer = answer
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", variables.pop("AWS_ENDPOINT_URL_S3"))  # as the real one: not named by us
    url = open_aws(variables).bucket.presign_get("key", seconds=60)
    assert "/us-west-2/s3/" in parse_qs(urlsplit(url).query)["X-Amz-Credential"][0]


def test_a_bucket_that_is_not_there_is_named(
    server: Server, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = lambda _: Answer(404, b"")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", variables.pop("AWS_ENDPOINT_URL_S3"))
    with pytest.raises(errors.BucketRefused) as caught:
        open_aws(variables)
    assert "The bucket unit refused HeadBucket" in str(caught.value)


def test_settings_from_variables(tmp_path: Path) -> None:
    given = {
        "AWS_CREDS": str(tmp_path / "credentials"),
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "hidden",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "https://all.example",
        "AWS_ENDPOINT_URL_S3": "https://s3.example",
        "AWS_CA_BUNDLE": "",
    }
    settings = settings_from(given, bucket="b", zone_id="Z", region="eu-west-1")
    all_services = dict.fromkeys(("ec2", "route53", "sts"), "https://all.example")
    assert settings == AwsSettings(
        bucket="b",
        zone_id="Z",
        region="us-east-1",
        credentials_file=tmp_path / "credentials",
        endpoints={"s3": "https://s3.example", **all_services},  # type: ignore[dict-item]
    )
    del given["AWS_CREDS"], given["AWS_DEFAULT_REGION"]
    keyed = settings_from(given, bucket="b", zone_id="Z", region="eu-west-1")
    assert (keyed.keys, keyed.region) == (("AKIA", "hidden", None), "eu-west-1")
    assert "hidden" not in repr(keyed)


def test_encryption_is_one_that_s3_knows() -> None:
    assert settings_from({}, bucket="b", zone_id="Z").encryption is None
    assert settings_from({"BUCKET_ENCRYPTION": "aws:kms"}, bucket="b", zone_id="Z").encryption == "aws:kms"
    with pytest.raises(errors.SettingsError, match=r"BUCKET_ENCRYPTION is kms, but must be one of AES256, aws:kms"):
        settings_from({"BUCKET_ENCRYPTION": "kms"}, bucket="b", zone_id="Z")


def test_the_credentials_file_wins_over_the_environment(
    server: Server, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = x\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    server.answers(Answer(200, b""))
    open_aws({**variables, "AWS_CREDS": str(file)}).bucket.put("key", b"body", metadata={})
    assert "Credential=AKIAFILE/" in server.seen[0].headers["authorization"]
    assert server.seen[0].headers["x-amz-checksum-sha256"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("[other]\n", "default"),
        ("aws_secret_access_key = hidden", "cannot be read"),
        ("[default]\n", "has no AWS credentials for the profile default"),
        ("[default]\naws_access_key_id = AKIA\n", "cannot be read: Partial credentials"),
    ],
)
def test_credentials_that_cannot_be_used(
    variables: dict[str, str], tmp_path: Path, text: str | None, told: str
) -> None:
    file = tmp_path / "credentials"
    if text is not None:
        file.write_text(text)
    with pytest.raises(errors.SettingsError) as caught:
        open_aws({**variables, "AWS_CREDS": str(file)})
    assert told in str(caught.value)
    assert str(file) in str(caught.value) or "default" in str(caught.value) or "Partial" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_no_credentials_and_no_region(variables: dict[str, str]) -> None:
    with pytest.raises(errors.SettingsError, match="AWS region"):
        open_aws({**variables, "AWS_REGION": ""})
    del variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"]
    with pytest.raises(errors.SettingsError, match="AWS_CREDS has no AWS credentials"):
        open_aws(variables)


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_ROUTE_53"])
@pytest.mark.parametrize("value", ["garbage", "https://", "https://[::1"])
def test_an_endpoint_that_is_none(variable: str, value: str) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        open_aws({**KEYS, "AWS_ENDPOINT_URL_S3": "https://127.0.0.1:1", variable: value})
    assert "AWS_ENDPOINT_URL" in caught.value.paragraph()


def test_a_region_that_is_none() -> None:
    with pytest.raises(errors.SettingsError) as caught:
        open_aws({**KEYS, "AWS_REGION": "eu west/1"})
    assert "AWS_REGION" in caught.value.paragraph()


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        (
            "role_arn = arn:aws:iam::1:role/x\nweb_identity_token_file = /no/token\n",
            "needs the web identity token /no/token, which cannot be read on this machine (No such file or directory)",
        ),
        ("credential_process = /no/program\n", "The AWS credentials cannot be read: "),
        ("credential_process = echo no JSON\n", "The AWS credentials cannot be read: "),
    ],
)
def test_credentials_that_lead_to_what_is_not_here(tmp_path: Path, profile: str, says: str) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[default]\n{profile}")
    given = {"AWS_CREDS": str(file), "AWS_REGION": "eu-west-1"}
    with pytest.raises(errors.SettingsError) as caught:
        open_aws(given)
    assert says in str(caught.value)


def test_credentials_that_ask_for_a_code_of_nobody() -> None:
    with pytest.raises(errors.AwsDenied), translate_errors("S3", "HeadBucket", "unit"):
        raise EOFError
