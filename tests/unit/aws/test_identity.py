"""As whom AWS is asked: as the settings say, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest

from hcp_dr import errors
from hcp_dr.aws import client
from hcp_dr.aws.client import ENDPOINT_VARIABLES, Aws, connect, settings_from
from hcp_dr.aws.instances import StsIdentity
from tests.unit.aws.conftest import KEYS

ROLE = "arn:aws:iam::123456789012:role/dr"


def opened(simulator: str, zone_id: str = "Z1", **given: str) -> Aws:
    places = dict.fromkeys(ENDPOINT_VARIABLES.values(), simulator)
    return connect(settings_from({"AWS_REGION": "eu-west-1", **places, **given}, bucket="unit", zone_id=zone_id))


def key_of(aws: Aws) -> str:
    assert isinstance(aws.identity, StsIdentity)
    credentials = aws.identity._credentials
    assert credentials is not None
    return str(credentials.access_key)


@pytest.fixture(autouse=True)
def _somebody_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine has the credentials of another account in all usual places."""
    (tmp_path / "credentials-of-others").write_text(
        "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = x\n"
        "[other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials-of-others"))
    monkeypatch.setenv("AWS_PROFILE", "other")


def test_a_role_of_the_settings_acts(simulator: str, session: boto3.Session, tmp_path: Path) -> None:
    assert session
    (tmp_path / "token").write_text("a.b.c")
    aws = opened(simulator, AWS_ROLE_ARN=ROLE, AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"))
    assert aws.identity.arn().startswith("arn:aws:sts::123456789012:assumed-role/dr/")


@pytest.mark.parametrize(
    ("variable", "service", "other"),
    [("AWS_CREDS_EC2", "EC2", "Route53"), ("AWS_CREDS_ROUTE53", "Route53", "EC2")],
)
def test_a_service_may_have_credentials_of_its_own(
    simulator: str, tmp_path: Path, variable: str, service: str, other: str
) -> None:
    """The bucket, the zone and the instances may be in several accounts."""
    file = tmp_path / "own"
    file.write_text("[default]\naws_access_key_id = AKIAOWN\naws_secret_access_key = x\nregion = us-west-2\n")
    aws = opened(simulator, **KEYS, AWS_PROFILE="other", **{variable: str(file)})
    clients = {"EC2": aws.instances, "Route53": aws.zone, "STS": aws.identity}
    keys = {name: signer(each) for name, each in clients.items()}
    assert keys == {service: "AKIAOWN", other: "AKIAUNIT", "STS": "AKIAUNIT"}
    assert list(aws.identity.others()) == [service]
    assert signer(aws.identity.others()[service]) == "AKIAOWN"
    assert aws.instances.region == "eu-west-1"


def signer(port: Any) -> str:
    return str(port._client._request_signer._credentials.access_key)


def test_credentials_of_a_service_that_are_not_there(simulator: str, tmp_path: Path) -> None:
    with pytest.raises(errors.SettingsError, match="AWS_CREDS_EC2 names /no/file, which cannot be read"):
        opened(simulator, **KEYS, AWS_CREDS_EC2="/no/file")
    (tmp_path / "empty").write_text("")
    with pytest.raises(errors.SettingsError) as caught:
        opened(simulator, **KEYS, AWS_CREDS_EC2=str(tmp_path / "empty"))
    assert "AWS_CREDS_EC2" in caught.value.what


def test_a_role_whose_token_is_not_here(simulator: str) -> None:
    with pytest.raises(errors.SettingsError, match=r"needs the web identity token /no/token, which cannot be read"):
        opened(simulator, AWS_ROLE_ARN=ROLE, AWS_WEB_IDENTITY_TOKEN_FILE="/no/token")


def test_keys_of_the_settings_act_whatever_profile_the_machine_has(
    simulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "that-is-not-there")
    assert key_of(opened(simulator, **KEYS)) == "AKIAUNIT"


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
def test_a_profile_of_the_settings_acts(simulator: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASHELL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert key_of(opened(simulator, **{name: "other"})) == "AKIAOTHER"
    assert key_of(opened(simulator, **{name: "default"})) == "AKIADEFAULT"


def test_a_config_file_of_the_settings_is_read(simulator: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "[profile mine]\naws_access_key_id = AKIAMINE\naws_secret_access_key = x\nregion = us-west-2\n"
    )
    aws = opened(simulator, AWS_CONFIG_FILE=str(tmp_path / "config"), AWS_PROFILE="mine", AWS_REGION="")
    assert (key_of(aws), aws.instances.region) == ("AKIAMINE", "us-west-2")
    with pytest.raises(errors.SettingsError, match="AWS_CONFIG_FILE names /no/file, which cannot be read"):
        opened(simulator, AWS_CONFIG_FILE="/no/file")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIA"}, "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"),
        ({"AWS_SECRET_ACCESS_KEY": "hidden"}, "AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID"),
        ({"AWS_PROFILE": "other", "AWS_DEFAULT_PROFILE": "default"}, "name different profiles"),
        ({"AWS_PROFILE": "nobody"}, "The AWS credentials cannot be read: The config profile (nobody) could not be"),
    ],
)
def test_what_names_no_identity(simulator: str, given: dict[str, str], told: str) -> None:
    with pytest.raises(errors.SettingsError) as caught:
        opened(simulator, **given)
    assert told in caught.value.what
    assert "hidden" not in caught.value.paragraph()


@pytest.mark.parametrize(
    ("process", "told"),
    [
        ("sleep 100", "sh: it did not end within 0.3 s"),
        ("sleep 100 & exit 3", "sh ended with exit code 3"),
        ("echo h1ddenS3cret >&2; exit 1", "sh ended with exit code 1"),
        ("echo h1ddenS3cret", "The AWS credentials cannot be read"),
        ("echo []", "The AWS credentials cannot be read"),
        ('echo {\\"Version\\":\\"h1ddenS3cret\\"}', "The AWS credentials cannot be read"),
        ('echo {\\"Version\\":1,\\"AccessKeyId\\":5}', "The AWS credentials cannot be read"),
        ("head -c 1000 /dev/urandom", "The AWS credentials cannot be read"),
        ("head -c 5000000 /dev/zero", "sh: it printed more than 4 MiB"),
    ],
)
@pytest.mark.parametrize("source", [False, True], ids=["the profile", "a source profile"])
def test_a_process_that_gives_no_credentials(
    simulator: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, process: str, told: str, source: bool
) -> None:
    if "sleep" in process:
        monkeypatch.setattr("hcp_dr.inputs.PROGRAM_SECONDS", 0.3)
    name = "base" if source else "default"
    role = f"[default]\nrole_arn = {ROLE}\nsource_profile = base\n" if source else ""
    (tmp_path / "creds").write_text(f'{role}[{name}]\ncredential_process = sh -c "{process}"\n')
    with pytest.raises(errors.SettingsError) as caught:
        opened(simulator, AWS_CREDS=str(tmp_path / "creds"))
    assert told in caught.value.what
    assert "h1dden" not in caught.value.paragraph()


@pytest.mark.parametrize(
    "text",
    [
        "s3 = x",
        "retries = x",
        "services = mine\n[services mine]\ns3 =\n  endpoint_url = ://",
        "services = that-is-not-there",
        "max_attempts = x",
        "use_fips_endpoint = maybe",
        "region = mars/evil",
        "sso_session = x",
        "role_arn = x\ncredential_source = Nothing",
        "role_arn = x\nsource_profile = default",
    ],
)
def test_a_profile_with_values_of_other_types(tmp_path: Path, text: str) -> None:
    file = tmp_path / "credentials"
    file.write_text(f"[default]\naws_access_key_id = AKIA\naws_secret_access_key = h1ddenS3cret\n{text}\n")
    settings = settings_from({"AWS_CREDS": str(file)}, bucket="unit", zone_id="Z1", region="eu-west-1")
    try:
        for service in ENDPOINT_VARIABLES:
            client._ClientFactory(settings).client(service)
    except errors.SettingsError as error:
        assert "h1dden" not in error.paragraph()  # noqa: PT017 - most of them are good enough for botocore
